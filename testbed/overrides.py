"""What `train`'s options change in a topology's training."""

import json as decoder
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any

from emulator.errors import WrongInput
from emulator.topology import Training
from emulator.topology.units import DURATION, WrongQuantity

OPTION = "options."
DEADLINE = "deadline"  # written with its unit, as in a topology; kept in seconds
_SETTABLE = {
    field.name.removesuffix("_s"): field.type
    for field in fields(Training)
    if field.name not in ("task", "algorithm", "rounds", "options")
}


def overridden(
    training: Training, task: str | None, algorithm: str | None, rounds: int | None, settings: Sequence[str]
) -> Training:
    """The training with these over it; None leaves as it is.

    `settings` are `key=value`: a training key of the topology, or `options.NAME` for what is the
    task's or the algorithm's own. Raises `WrongInput`.
    """
    named = {"task": task, "algorithm": algorithm, "rounds": rounds}
    plain: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    options: dict[str, Any] = dict(training.options)
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise WrongInput(f"--set: '{setting}' is not key=value")
        if key.startswith(OPTION):
            options[key.removeprefix(OPTION)] = _value(text)
        elif key == DEADLINE:
            plain["deadline_s"] = _duration(text)
        else:
            plain[key] = _checked(key, _value(text))
    return replace(training, **plain, options=options)


def _value(text: str) -> Any:
    """Numbers, true and false, as JSON writes them; all else is text."""
    try:
        return decoder.loads(text)
    except ValueError:
        return text


def _checked(key: str, value: Any) -> Any:
    if key not in _SETTABLE:
        near = get_close_matches(key, _SETTABLE, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise WrongInput(f"--set: '{key}' is not known; {hint}Known: {', '.join(_SETTABLE)}, {OPTION}NAME")
    expected, holds = _RULES[key]
    if not holds(value):
        raise WrongInput(f"--set {key}={value}: expected {expected}")
    return value


def _duration(text: str) -> float | None:
    """Seconds; None for `none`: no deadline."""
    if text == "none":
        return None
    try:
        seconds = float(DURATION.parse(text))
    except WrongQuantity as error:
        raise WrongInput(f"--set {DEADLINE}={text}: expected a duration such as 60s, or none; {error}") from error
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise WrongInput(f"--set {DEADLINE}={text}: expected 10ms to 10000min, or none")
    return seconds


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SHORTEST_S, _LONGEST_S = 0.01, 600_000.0
_RULES: Mapping[str, tuple[str, Any]] = {
    "local_epochs": ("a whole number from 1", _count),
    "batch_size": ("a whole number from 1", _count),
    "learning_rate": ("a number above 0", lambda value: _number(value) and value > 0),
    "test_fraction": ("a number between 0 and 1", lambda value: _number(value) and 0 < value < 1),
    "volume_cache": ("true or false", lambda value: isinstance(value, bool)),
    "mode": ("federated or centralised", lambda value: value in ("federated", "centralised")),
    "curation": ("keep, drop or stop", lambda value: value in ("keep", "drop", "stop")),
    "deidentify": ("true or false", lambda value: isinstance(value, bool)),
    "quorum": ("a share of the sites from 0 to 1", lambda value: _number(value) and 0 <= value <= 1),
    "late": ("drop, next-round or wait", lambda value: value in ("drop", "next-round", "wait")),
    "staleness": ("a number from 0 to 10", lambda value: _number(value) and 0 <= value <= 10),
    "require": ("any or all", lambda value: value in ("any", "all")),
    "clock": ("emulated or real", lambda value: value in ("emulated", "real")),
}
