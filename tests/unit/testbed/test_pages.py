from pathlib import Path

import pytest

from emulator.errors import WrongInput
from testbed.composition import read
from testbed.pages import page

pytestmark = pytest.mark.usefixtures("home")

MIXED = Path(__file__).resolve().parents[3] / "topologies/mixed_pacs.yaml"


@pytest.mark.parametrize(("site", "scheme"), [("usual", "http"), ("basic", "https"), ("bearer", "http")])
def test_the_address_of_a_page_is_https_where_the_pacs_is(site: str, scheme: str) -> None:
    found = page(read(MIXED), f"{site}/pacs")
    assert (found.seen_from, found.scheme) == (f"{site}/worker", scheme)


@pytest.mark.parametrize("place", ["mover/pacs", "usual/worker", "nowhere/pacs"])
def test_a_place_without_a_web_page_is_refused(place: str) -> None:
    with pytest.raises(WrongInput, match="has no web page"):
        page(read(MIXED), place)
