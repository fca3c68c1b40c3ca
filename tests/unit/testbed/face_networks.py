"""Topologies for the face's tests."""

from collections.abc import Callable

from emulator.topology import Cohort, Compute, Direction, Hub, Link, Pacs, Site, Topology, Training

Recorded = Callable[..., str]  # run, rounds, sites, why -> the run's id

RATES = {"chu": (1e9, 1e9, 0.006), "clinic": (50e6, 10e6, 0.0175), "mobile": (8e6, 2e6, 0.03)}


PACS = {"chu": Pacs("modern", "orthanc"), "clinic": Pacs("modern", "orthanc"), "mobile": Pacs("old", "dcmqrscp")}


def network(sites: int) -> Topology:
    """A topology of so many sites in three groups."""
    groups = list(RATES)
    made = []
    for index in range(1, sites + 1):
        group = groups[(index - 1) * len(groups) // sites]
        down, up, delay = RATES[group]
        link = Link(group, Direction(int(down), delay), Direction(int(up), delay))
        cohort = Cohort("phantom", 30, {"control": 12, "mci": 9, "ad": 9}, "3T", ("mr", "pet"), "single-frame")
        name = f"{group}-{index:02d}"
        made.append(Site(index, name, group, "namespace", link, PACS[group], cohort, Compute(0.03)))
    hub = Hub(Link("datacentre", Direction(10**9, 0.001), Direction(10**9, 0.001)))
    training = Training("dementia", "fedavg", 3, 1, 8, 0.01, 0.25, True, {})
    return Topology("testing", 7, hub, tuple(made), training)
