import pytest

from nodes.errors import Busy, Cut
from nodes.pull.patience import Patience, Tries

QUICK = Patience(pauses_s=(0.0, 0.0), busy_s=0.05)


def test_a_cut_is_taken_up_again_as_often_as_there_are_pauses() -> None:
    tries = Tries(QUICK)
    tries.again(Cut("cut"), progress=False)
    tries.again(Cut("cut"), progress=False)
    with pytest.raises(Cut):
        tries.again(Cut("cut"), progress=False)
    assert tries.count == 2


def test_what_has_come_meanwhile_begins_the_count_anew() -> None:
    tries = Tries(QUICK)
    for _ in range(10):
        tries.again(Cut("cut"), progress=True)
    assert tries.count == 10


def test_another_way_has_its_own_tries() -> None:
    tries = Tries(QUICK)
    for _ in range(2):
        tries.again(Cut("cut"), progress=False)
    tries.another_way()
    tries.again(Cut("cut"), progress=False)


def test_waiting_at_a_closed_door_takes_nothing_from_the_tries_after_a_cut() -> None:
    tries = Tries(QUICK)
    for _ in range(4):
        tries.again(Busy("closed", 0.01), progress=False)
    tries.again(Cut("cut"), progress=False)
    with pytest.raises(Busy, match="waited 0 s for it"):
        tries.again(Busy("closed", 0.02), progress=False)


def test_a_door_that_says_no_time_is_not_knocked_at_for_ever() -> None:
    tries = Tries(Patience(pauses_s=(), busy_s=0.25))
    tries.again(Busy("closed"), progress=False)
    tries.again(Busy("closed"), progress=False)
    with pytest.raises(Busy):
        tries.again(Busy("closed"), progress=False)
