"""What a WAN kernel makes of a topology."""

from emulator.topology import Direction, Hub, Link, Topology, Training
from emulator.topology.resolved import Cohort, Compute, Pacs, Site
from emulator.wan.plain import PlainKernel

LINK = Link("vdsl", Direction(50_000_000, 0.02), Direction(10_000_000, 0.02))


def test_a_topology_that_was_fitted_already_stays_as_it_is() -> None:
    cohort = Cohort("phantom", 4, {"control": 4}, "3T", ("mr",), "multi-frame")
    site = Site(1, "far", "far", "namespace", LINK, Pacs("orthanc", "orthanc"), cohort, Compute(0.03))
    asked = Topology("x", 1, Hub(LINK), (site,), Training("dementia", "fedavg", 1, 1, 8, 0.1, 0.25, True))
    fitted = PlainKernel().fitted(asked)
    assert len(fitted.sites[0].toxics) == 2
    assert PlainKernel().fitted(fitted) == fitted
