"""A site is known by its addresses, and no address is known as two sites."""

from pathlib import Path

from emulator.places import HUB_ADDRESS, pacs_address
from nodes.endpoints import Endpoint
from trainer.config import SitePlace, address_of, addresses_of

MOST_SITES = 2000


def _place(name: str, place: str | None) -> SitePlace:
    return SitePlace(
        name=name, place=place, endpoint=Endpoint(name, "pacs", "http://pacs/", None), cache_folder=Path("/nowhere")
    )


def test_in_a_world_a_site_is_its_worker_and_its_gateway() -> None:
    assert addresses_of(_place("lyon", "lyon/worker"), 258) == ("10.1.2.3", "10.1.2.1")


def test_outside_a_world_a_site_is_its_own_address_alone() -> None:
    alone = _place("lyon", None)
    assert addresses_of(alone, 5) == (address_of(alone, 5),)


def test_no_two_sites_share_an_address_nor_have_one_of_the_hub_or_of_a_pacs() -> None:
    known = [address for i in range(1, MOST_SITES + 1) for address in addresses_of(_place("s", "s/worker"), i)]
    others = {HUB_ADDRESS, *(pacs_address(i) for i in range(MOST_SITES + 1))}
    assert len(set(known)) == len(known) == 2 * MOST_SITES
    assert not others & set(known)
