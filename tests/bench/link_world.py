"""Worlds without PACS, whose links are measured; and the tools of the integration tests that measure them."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from emulator.topology import Direction, Link
from emulator.topology.resolved import Hub
from emulator.worlds import World

sys.path.append(str(Path(__file__).parents[1] / "integration"))

MBIT = 1_000_000
_FAST = Direction(1000 * MBIT, 0.0)


def link(down: Direction, up: Direction | None = None) -> Link:
    """A link; its way up has the rate and the delay of its way down and nothing else, unless told otherwise."""
    return Link("measured", down, up or Direction(down.rate_bps, down.delay_s))


@contextmanager
def world(links: Mapping[str, Link]) -> Iterator[World]:
    """A world of one site per link, by name, whose hub adds no delay; in a home of its own, gone afterwards."""
    from networks import make_site, make_topology, quiet

    sites = [replace(make_site(i, "vdsl", name), link=own) for i, (name, own) in enumerate(links.items(), 1)]
    topology = replace(make_topology("measured", sites), hub=Hub(Link("fast", _FAST, _FAST)))
    before = os.environ.get("TESTBED_HOME")
    with tempfile.TemporaryDirectory() as home:
        os.environ["TESTBED_HOME"] = home
        try:
            yield World.up(topology, "measured", [], None, quiet)
        finally:
            World.down("measured")
            if before is None:
                del os.environ["TESTBED_HOME"]
            else:
                os.environ["TESTBED_HOME"] = before
