"""The links of a world that is up: as they are now, and changed while traffic flows, by hand or by faults."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from emulator import duplicates, events, lanes, variation
from emulator import wan as kernels
from emulator.errors import WrongInput
from emulator.linkclock import LinkClock
from emulator.live import Changes, Live
from emulator.reach import Agent
from emulator.topology.resolved import Change, Link, Site, Topology
from emulator.topology.words import nearest
from emulator.wan.router import Router
from emulator.worlds import playing


class Links:
    """The links of one world. Who changes them holds the world's lock."""

    def __init__(self, folder: Path, topology: Topology, agent: Agent, wan: str) -> None:
        self._folder = folder
        self._topology = topology
        self._agent = agent
        self._wan = wan

    def site(self, name: str) -> Site:
        """The site of that name. Raises `WrongInput`."""
        sites = {site.name: site for site in self._topology.sites}
        if name not in sites:
            near = nearest(name, sites)
            hint = f"did you mean '{near}'? " if near else ""
            raise WrongInput(f"world '{self._folder.name}' has no site '{name}'; {hint}Sites: {_some(list(sites))}")
        return sites[name]

    def by_hand(self) -> Mapping[str, Changes]:
        """What was changed by hand and not reset, by site."""
        return Live.read(self._folder).links

    def now(self) -> dict[str, Link]:
        """Every site's link as it is at this moment."""
        return self._at_present(Live.read(self._folder).changes())

    def _at_present(self, changes: Mapping[str, Changes]) -> dict[str, Link]:
        clock_s, traces = LinkClock.read(self._folder).now(), self._topology.traces
        return {
            site.name: variation.at(site.link, traces, clock_s, changes.get(site.name, variation.UNCHANGED))
            for site in self._topology.sites
        }

    def change(self, name: str, down: Change, up: Change) -> Link:
        """Change a site's link, over what was changed before; the link as it is now.

        Raises `WrongInput` for an unknown site or for values that can't be together, `Fell` where the router refuses
        them: then everything is as it was.
        """
        site = self.site(name)
        self.settle()
        before = self.by_hand().get(name, variation.UNCHANGED)
        hand = variation.over(before[0], down), variation.over(before[1], up)
        _refuse_early(self._at_present({name: hand})[name], down, up)
        kept = Live.read(self._folder)
        sent = self._make(site, replace(kept, links={**kept.links, name: hand}))
        events.write(self._folder, "link changed", site=name, down=_told(down), up=_told(up), sent=sent)
        return self.now()[name]

    def reset(self, name: str) -> Link:
        """Give a site's link back to the topology; the link as it is now. Raises as `change` does."""
        site = self.site(name)
        self.settle()
        kept = Live.read(self._folder)
        if name in kept.links:
            others = {other: hand for other, hand in kept.links.items() if other != name}
            sent = self._make(site, replace(kept, links=others))
            events.write(self._folder, "link reset", site=name, sent=sent)
        return self.now()[name]

    def degrade(self, fault: str, changes: Mapping[str, Changes]) -> None:
        """Lay what a fault does to links over all else, or take it away again (no `changes`). Raises as `change` does,
        and may be done twice.
        """
        self.settle()
        for name in {**changes, **Live.read(self._folder).faults.get(fault, {})}:
            kept = Live.read(self._folder)
            of_fault = {site: both for site, both in kept.faults.get(fault, {}).items() if site != name}
            of_fault |= {name: changes[name]} if name in changes else {}
            others = {other: both for other, both in kept.faults.items() if other != fault}
            self._make(self.site(name), replace(kept, faults={**others, **({fault: of_fault} if of_fault else {})}))

    def settle(self) -> None:
        """Where a change was cut short, make the link whole again: as before it, or as it was to be."""
        kept = Live.read(self._folder)
        if kept.trying is not None:
            site = self.site(kept.trying)
            self._send(site, kept.changes())
            self._tell_player(site)
            replace(kept, trying=None).write(self._folder)

    def _make(self, site: Site, wanted: Live) -> str:
        """Tell the router, and keep it: whoever dies in between leaves a note of it. When the router was told (UTC)."""
        before = Live.read(self._folder)
        replace(before, trying=site.name).write(self._folder)
        try:
            sent = self._send(site, wanted.changes())
            replace(wanted, trying=site.name).write(self._folder)
            self._tell_player(site)
        except BaseException:
            self._send(site, before.changes())
            before.write(self._folder)
            raise
        wanted.write(self._folder)
        return sent

    def _tell_player(self, site: Site) -> None:
        if site.link.varies:
            playing.look_again(self._folder)

    def _send(self, site: Site, changes: Mapping[str, Changes]) -> str:
        """One batch for both ways; the devices that duplicate first, where others are needed than there are."""
        links = self._at_present(changes)
        router = Router(self._folder, self._agent, kernels.choose(self._wan))
        sites = tuple(replace(site, link=links[site.name]) for site in self._topology.sites)
        wanted = duplicates.detours(replace(self._topology, sites=sites))
        relaid: list[str] = []
        present = router.detours()
        if sorted(present) != sorted(wanted):
            router.ip(duplicates.devices(wanted, present))
            relaid = duplicates.queues(wanted, redirected=bool(present))
        of_ways = lanes.lines(lanes.lanes(self._topology)[site.name], links[site.name])
        sent = events.now()
        router.tc([*relaid, *(line for lines in of_ways.values() for line in lines)])
        return sent


def _refuse_early(link: Link, down: Change, up: Change) -> None:
    """Values that are told anew must fit the others; those of old are held to them."""
    for direction, change in ((link.down, down), (link.up, up)):
        if change.jitter_s is not None and change.jitter_s > direction.delay_s:
            raise WrongInput("--jitter: expected at most half the rtt: a packet can't arrive before it was sent")
        if change.reorder and not direction.delay_s:
            raise WrongInput("--reorder: expected a link with an rtt: one packet overtakes the others by not waiting")


def _told(change: Change) -> dict[str, object]:
    return {name: value for name, value in asdict(change).items() if value is not None}


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown


def forget_changes(folder: Path) -> None:
    """Drop what was changed by hand: the router has the topology's values again."""
    Live().write(folder)
