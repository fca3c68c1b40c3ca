"""Imported cohorts among the sites that name them: how many studies of each label are whose, none twice.

Sites that ask for classes take theirs first, then those that ask for a number, in the order of the document; those that
ask for nothing share what is left evenly. Studies without a label, from which nothing is learnt, are shared only where
no study of the cohort has one. Which studies these are, the seed says (`nodes.imports.choosing`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from emulator.topology import drawing
from emulator.topology.document import ClassShares, Dirichlet, StudyRange
from emulator.topology.words import Stock


@dataclass(frozen=True)
class Wish:
    """What a site asks of an imported cohort; None: whatever is left."""

    site: str
    source: str
    studies: int | StudyRange | None
    classes: ClassShares | Dirichlet | None


@dataclass(frozen=True)
class Lot:
    """A site's studies by label, and how many of each label, in the seed's order, are those of others before it."""

    take: Mapping[str, int]
    skip: Mapping[str, int]


@dataclass(frozen=True)
class Short:
    """A site that asks for more than is left: `asked` and `left` in words."""

    site: str
    asked: str
    left: str


@dataclass
class _Remains:
    """An imported cohort while it is shared out."""

    stock: Stock
    gone: dict[str, int] = field(default_factory=dict)

    def left(self) -> dict[str, int]:
        return {label: count - self.gone.get(label, 0) for label, count in self.stock.shared.items()}

    def give(self, take: Mapping[str, int]) -> Lot:
        skip = {label: self.gone.get(label, 0) for label in take}
        for label, count in take.items():
            self.gone[label] = self.gone.get(label, 0) + count
        return Lot({label: count for label, count in take.items() if count}, {k: v for k, v in skip.items() if take[k]})


def lots(wishes: Sequence[Wish], stocks: Mapping[str, Stock], seed: int) -> dict[str, Lot | Short]:
    """What each site gets, by its name, or why it can't be given it."""
    found: dict[str, Lot | Short] = {}
    for source in dict.fromkeys(wish.source for wish in wishes):
        own = [wish for wish in wishes if wish.source == source]
        found.update(_of_one(own, _Remains(stocks[source]), seed))
    return {wish.site: found[wish.site] for wish in wishes}


def _of_one(wishes: Sequence[Wish], remains: _Remains, seed: int) -> Iterable[tuple[str, Lot | Short]]:
    by_need = sorted(wishes, key=lambda wish: (wish.studies is None, wish.classes is None))  # stable: document's order
    for place, wish in enumerate(by_need):
        left = remains.left()
        total = sum(left.values())
        if wish.studies is None:
            count = -(-total // (len(by_need) - place))
        else:
            count = drawing.studies(wish.studies, seed, wish.site)
        take = _taken(wish, count, left, seed)
        if count and count <= total and all(amount <= left.get(label, 0) for label, amount in take.items()):
            yield wish.site, remains.give(take)
        else:
            aside = f"; beside them {remains.stock.aside:,} without a label" if remains.stock.aside else ""
            yield wish.site, Short(wish.site, _worded(take) if take else f"{count:,}", _worded(left) + aside)


def _taken(wish: Wish, count: int, left: Mapping[str, int], seed: int) -> Mapping[str, int]:
    """Studies by label: as the classes say, else in the proportions of what is left."""
    if wish.classes is None:
        return drawing.apportioned(count, [*left.values()], [*left]) if sum(left.values()) else {}
    shares = drawing.shares(wish.classes, sorted(label for label in left if label), seed, wish.site)
    return drawing.apportioned(count, [*shares.values()], [*shares]) if shares else {}


def _worded(counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count:,} {label or 'without a label'}" for label, count in counts.items())
    return f"{sum(counts.values()):,} ({told})"
