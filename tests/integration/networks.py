"""Links, sites and topologies for the tests of real worlds."""

from emulator.topology.resolved import (
    Cohort,
    Compute,
    Direction,
    Hub,
    Link,
    Pacs,
    Site,
    Topology,
    Training,
)

LINKS = {
    "regional": Link("regional", Direction(100_000_000, 0.006), Direction(100_000_000, 0.006)),
    "vdsl": Link("vdsl", Direction(50_000_000, 0.0175), Direction(10_000_000, 0.0175)),
    "4g": Link("4g", Direction(20_000_000, 0.030), Direction(6_000_000, 0.030)),
    "adsl": Link("adsl", Direction(8_000_000, 0.0225), Direction(1_000_000, 0.0225, queue_s=0.3)),
}
HUB_LINK = Link("datacentre", Direction(1_000_000_000, 0.001), Direction(1_000_000_000, 0.001))


def make_site(index: int, link: str, name: str | None = None) -> Site:
    cohort = Cohort("phantom", 3, {"control": 1, "mci": 1, "ad": 1}, "3T", ("mr",), "multi-frame")
    pacs = Pacs("modern", "orthanc")
    return Site(index, name or f"{link}-{index:02d}", link, "namespace", LINKS[link], pacs, cohort, Compute(0.01))


def make_topology(name: str, sites: list[Site]) -> Topology:
    training = Training("dementia", "fedavg", 1, 1, 8, 0.01, 0.25, True)
    return Topology(name, 7, Hub(HUB_LINK), tuple(sites), training)


def quiet(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""
