import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import WrongInput
from emulator.topology import Training
from testbed.overrides import overridden

ASKED = Training("dementia", "fedavg", 20, 1, 8, 0.01, 0.25, True, {"mu": 0.1})


def test_what_is_not_named_stays_as_the_topology_has_it() -> None:
    assert overridden(ASKED, None, None, None, ()) == ASKED


def test_settings_reach_training_keys_and_options() -> None:
    settings = ("learning_rate=0.5", "volume_cache=false", "clock=real", "options.mu=2", "options.mode=plain")
    found = overridden(ASKED, "other", "local-only", 3, settings)
    assert (found.task, found.algorithm, found.rounds) == ("other", "local-only", 3)
    assert (found.learning_rate, found.volume_cache, found.clock) == (0.5, False, "real")
    assert found.options == {"mu": 2, "mode": "plain"}


def test_what_a_run_survives_can_be_set_as_it_is_written_in_a_topology() -> None:
    settings = ("quorum=0.8", "deadline=2min", "late=next-round", "staleness=1", "require=all")
    found = overridden(ASKED, None, None, None, settings)
    assert (found.quorum, found.deadline_s, found.late, found.staleness) == (0.8, 120.0, "next-round", 1)
    assert found.require == "all"
    assert overridden(found, None, None, None, ("deadline=none",)).deadline_s is None


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("learning_rat=1", "did you mean 'learning_rate'?"),
        ("learning_rate", "is not key=value"),
        ("learning_rate=-1", "expected a number above 0"),
        ("learning_rate=quick", "expected a number above 0"),
        ("local_epochs=0", "expected a whole number from 1"),
        ("batch_size=1.5", "expected a whole number from 1"),
        ("batch_size=true", "expected a whole number from 1"),
        ("test_fraction=1", "expected a number between 0 and 1"),
        ("volume_cache=maybe", "expected true or false"),
        ("clock=fast", "expected emulated or real"),
        ("mode=central", "expected federated or centralised"),
        ("curation=maybe", "expected keep, drop or stop"),
        ("deidentify=1", "expected true or false"),
        ("quorum=80", "expected a share of the sites from 0 to 1"),
        ("deadline=60", "expected a duration such as 60s, or none"),
        ("deadline=0s", "expected 10ms to 10000min"),
        ("late=sometimes", "expected drop, next-round or wait"),
        ("require=most", "expected any or all"),
        ("rounds=3", "'rounds' is not known"),
    ],
)
def test_a_wrong_setting_is_told_with_what_was_expected(setting: str, says: str) -> None:
    with pytest.raises(WrongInput, match=says.replace("?", r"\?")):
        overridden(ASKED, None, None, None, (setting,))


@given(st.text())
def test_no_text_is_taken_without_being_understood(text: str) -> None:
    try:
        found = overridden(ASKED, None, None, None, (text,))
    except WrongInput:
        return
    assert found != ASKED or "=" in text
