"""What an image is made from: a suite of Debian, the testbed's playbook, and for a user's own image one of theirs."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from emulator.errors import WrongInput
from emulator.topology.fields import LONGEST_NAME, is_name
from emulator.worlds.home import home

SUITES = {"debian-12": "bookworm", "debian-13": "trixie"}
DESCRIPTION, PLAYBOOK = "image.yaml", "playbook.yml"


@dataclass(frozen=True)
class Definition:
    """`own`: the folder of a user's image, whose playbook is played after the testbed's."""

    name: str
    suite: str
    own: Path | None = None


class _Description(BaseModel):
    """What a user's `image.yaml` says."""

    model_config = ConfigDict(extra="forbid")
    base: Literal["debian-12", "debian-13"]


def own_folder() -> Path:
    """Where a user's own images are described: a folder each, with `image.yaml` and `playbook.yml`."""
    return home() / "images"


def names() -> tuple[str, ...]:
    """The images that can be built here: the shipped ones, then the user's own."""
    own = sorted(path.parent.name for path in own_folder().glob(f"*/{DESCRIPTION}"))
    return *SUITES, *(name for name in own if name not in SUITES)


def definition(name: str) -> Definition:
    """Raises `WrongInput` for a name that is not known, and for a description that says nothing of use."""
    if name in SUITES:
        return Definition(name, SUITES[name])
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise WrongInput(
            f"no image '{name}'; {hint}Known: {', '.join(names())}; an own one is {own_folder()}/NAME/{DESCRIPTION}"
        )
    return _own(name)


def _own(name: str) -> Definition:
    folder = own_folder() / name
    if not is_name(name):
        raise WrongInput(f"{folder}: '{name}' can't name an image; expected 1 to {LONGEST_NAME} of a-z, 0-9 and '-'")
    described = folder / DESCRIPTION
    try:
        found = _Description.model_validate(YAML(typ="safe").load(described))
    except (ValidationError, YAMLError, OSError) as error:
        raise WrongInput(f"{described}: expected 'base: ' and one of {', '.join(SUITES)}; {error}") from error
    if not (folder / PLAYBOOK).is_file():
        raise WrongInput(f"{folder} has no {PLAYBOOK}; expected an Ansible playbook for hosts 'all'")
    return Definition(name, SUITES[found.base], folder)
