"""Links that vary keep to the emulated clock."""

from dataclasses import replace
from pathlib import Path

import pytest
from blob_runs import trained
from networks import make_site, make_topology, quiet

from emulator.linkclock import LinkClock
from emulator.topology import Compute, Fidelity, Training
from emulator.topology.resolved import Change, Episode
from emulator.worlds import World

pytestmark = pytest.mark.integration

LENIENT = Fidelity(rtt_s=1.0, rate=0.5, loss=0.5, waiting=1.0, host=1.0)
SECONDS_PER_SAMPLE = 2.0


def test_what_the_emulated_clock_jumps_over_the_links_jump_over_too(home: Path) -> None:
    site = make_site(1, "vdsl")
    slower = Change(rate_bps=5_000_000)
    episode = Episode(at_s=3600.0, for_s=1.0, every_s=None, down=slower, up=slower)
    link = replace(site.link, schedule=(episode,))
    training = Training("blobs", "fedavg", 2, 1, 8, 0.05, 0.25, True)
    sites = [replace(site, link=link, compute=Compute(SECONDS_PER_SAMPLE)), make_site(2, "4g")]
    topology = replace(make_topology("varying", sites), training=training, fidelity=LENIENT)
    world = World.up(topology, "varying", [], None, quiet)
    try:
        run = trained(world, "jumping", topology)
        emulated_s = sum(one["emulated_s"] for one in run.summary()["rounds"])
        clock = LinkClock.read(world.folder)
    finally:
        World.down("varying")
    assert emulated_s > 2 * 9 * SECONDS_PER_SAMPLE  # two rounds of nine samples; in truth they take far less
    assert clock.forwarded_s == pytest.approx(emulated_s, rel=0.25)
    assert clock.now() > emulated_s
