"""The words that a topology may use for things that others define, and the nearest of them to a mistyped one."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from emulator.faults import registry

if TYPE_CHECKING:
    from emulator.topology.forms import Form

SELECTORS = ("all", "any", "slowest")
"""Words for sites that a fault may be on, besides their names: all, one that is drawn, the one with the least rate up.
"""
_SHOWN = 16  # more names than this in one message hide the message
_LONG = 64  # letters of a mistyped word that are compared: difflib's time grows with their square
_COMPARED = 1000  # known words that it is compared with


@dataclass(frozen=True)
class Stock:
    """An imported cohort: a digest of its content, and its studies by label (empty: those without one)."""

    content: str
    studies: Mapping[str, int]

    @property
    def aside(self) -> int:
        """Studies without a label beside others that have one: no site gets them, since nothing is learnt from them."""
        return self.studies.get("", 0) if any(count for label, count in self.studies.items() if label) else 0

    @property
    def shared(self) -> Mapping[str, int]:
        """The studies that sites may have, by label."""
        return {label: count for label, count in self.studies.items() if label} if self.aside else self.studies


@dataclass(frozen=True)
class Known:
    """What the packages above offer: PACS flavours, scanner profiles, tasks and algorithms, imported cohorts, and
    images of guests, by name.

    `options` are the forms of the options of PACS profiles, by flavour; those of a flavour without a form are not
    looked at. `on_vm` are the flavours that a virtual machine can run.
    """

    flavours: frozenset[str]
    scanners: frozenset[str]
    tasks: frozenset[str]
    algorithms: frozenset[str]
    cohorts: Mapping[str, Stock] = field(default_factory=dict)
    options: "Mapping[str, type[Form]]" = field(default_factory=dict, kw_only=True)
    images: frozenset[str] = field(default=frozenset(), kw_only=True)
    on_vm: frozenset[str] = field(default=frozenset(), kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Words(Known):
    """All words of one document: what is `Known`, its link and PACS profiles with the built-in ones, its regions,
    its places, which of them background traffic runs between, the faults there are, and where they may be.
    """

    links: frozenset[str]
    pacs: frozenset[str]
    regions: frozenset[str]
    places: frozenset[str]
    ends: frozenset[str]
    targets: frozenset[str]
    faults: frozenset[str]

    @classmethod
    def of(
        cls, known: Known, links: Iterable[str], pacs: Iterable[str], regions: Iterable[str], sites: Iterable[str]
    ) -> "Words":
        """`known` and a document's own profiles; `sites` are the names of its sites and groups.

        Each flavour is a PACS profile of its own name, with no options.
        """
        offered: dict[str, Any] = {one.name: getattr(known, one.name) for one in fields(Known)}
        own = {"links": frozenset(links), "pacs": frozenset(pacs) | known.flavours, "regions": frozenset(regions)}
        offered |= own
        ends = frozenset(("hub", *sites))
        at_sites = (f"{site}/{role}" for site in ends - {"hub"} for role in ("pacs", "worker"))
        return cls(
            **offered,
            places=ends.union(at_sites),
            ends=ends,
            targets=ends.union(SELECTORS),
            faults=frozenset(registry.names()),
        )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be; None where none is near."""
    by_small = {name.lower(): name for name in sorted(known)[:_COMPARED]}
    near = difflib.get_close_matches(word[:_LONG].lower(), by_small, n=1)
    return by_small[near[0]] if near else None


def advice(word: str, known: Iterable[str]) -> str:
    """`did you mean 'adsl'? Known: 4g, adsl`: what to do about a word that is not known."""
    names = sorted(known)
    near = nearest(word, names)
    return f"did you mean '{near}'? {listed(names)}" if near else listed(names)


def listed(names: Iterable[str]) -> str:
    """`Known: a, b, c`, cut short where there are many."""
    sorted_names = sorted(names)
    more = len(sorted_names) - _SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return f"Known: {', '.join(sorted_names[:_SHOWN]) or 'none'}{tail}"
