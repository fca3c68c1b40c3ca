"""From a file to its text, with every reason why that may fail said plainly."""

from pathlib import Path

from emulator.errors import WrongInput
from emulator.topology.problems import NotYaml, Position, Problem, printable
from emulator.topology.words import nearest

LARGEST_BYTES = 1 << 20
"""Two thousand sites written out one by one take a third of this."""


def read(file: Path) -> str:
    """The text of a file. Raises `WrongInput` where there is none or too much, `NotYaml` where it isn't UTF-8."""
    content = _content(file)
    if len(content) > LARGEST_BYTES:
        raise WrongInput(
            f"{printable(str(file))}: more than 1 MiB; expected a topology, which is smaller; "
            "write groups (group, count) in place of single sites"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotYaml(_not_utf8(content, error)) from error


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST_BYTES + 1)  # never more: the file may be endless
    except OSError as error:
        raise WrongInput(
            f"{printable(str(file))}: can't be read: {error.strerror or error}; "
            f"expected a topology as a YAML file{_neighbour(file)}"
        ) from error
    except ValueError as error:  # a NUL in the name
        raise WrongInput(f"{printable(str(file))}: no file can have this name ({error})") from error


def _neighbour(file: Path) -> str:
    try:
        beside = [found.name for found in file.parent.iterdir() if found.suffix in (".yaml", ".yml")]
    except OSError:
        return ""
    near = nearest(file.name, beside)
    return f"; did you mean '{printable(str(file.parent / near))}'?" if near and near != file.name else ""


def _not_utf8(content: bytes, error: UnicodeDecodeError) -> Problem:
    before = content[: error.start].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    found = f"the byte 0x{content[error.start]:02x}"
    return Problem.told(Position(line, column), found, "UTF-8 text", "save the file as UTF-8")


class WrongFile(ValueError):  # noqa: N818 - reads as the sentence it is
    """A file that a topology names is not what was expected: (what was found, what to do)."""


LARGEST_BESIDE_BYTES = 16 << 20


def beside(file: Path) -> str:
    """The text of a file that a topology names. Raises `WrongFile` where there is none or too much."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(LARGEST_BESIDE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise WrongFile(f"'{why}'", "paths are relative to the topology's own folder") from error
    if len(text) > LARGEST_BESIDE_BYTES:
        raise WrongFile("more than 16 MiB", "cut it: some thousand lines are plenty")
    return text
