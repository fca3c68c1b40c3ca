"""What is wrong in a document, where, and what to do about it; many at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from emulator.errors import TopologyErrors

_LONGEST_QUOTE = 40
_SHOWN = 50  # a person mends the first few and tries again


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file. Lines and columns count from 1, as editors count them; a column is a character."""

    line: int
    column: int


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong. `text` says what was found, what was expected and what to do, in one line."""

    position: Position
    text: str

    @classmethod
    def told(cls, position: Position, found: str, expected: str, advice: str = "") -> "Problem":
        """A problem in the words of all problems: `found …; expected …; what to do`."""
        parts = (f"found {found}", f"expected {expected}" if expected else "", advice)
        return cls(position, "; ".join(part for part in parts if part))

    def within(self, where: str) -> "Problem":
        """The same problem, with the part of the document that it is about in front."""
        return Problem(self.position, f"{where}: {self.text}") if where else self

    def line(self, file: Path) -> str:
        """The whole line, `file:line:column: …`, fit for any terminal: line breaks and odd characters are escaped."""
        at = f"{file}:{self.position.line}:{self.position.column}"
        return printable(f"{at}: {self.text}")


class NotYaml(Exception):  # noqa: N818 - reads as the sentence it is
    """The text can't be read further than its one problem. Never leaves this package."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def errors(file: Path, problems: Iterable[Problem]) -> TopologyErrors:
    """All problems of a file in the order of their places; the first fifty, and whether there are more."""
    ordered = sorted(set(problems))
    lines = [problem.line(file) for problem in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        lines.append(f"{printable(str(file))}: more problems than these {_SHOWN}; mend these first")
    return TopologyErrors(tuple(lines))


def quoted(text: str) -> str:
    """The text in quotes, cut short: what was written may be a megabyte long."""
    cut = text[:_LONGEST_QUOTE]
    return f"'{cut}{'…' if len(cut) < len(text) else ''}'"


def printable(text: str) -> str:
    """The text in one line, with every character that no terminal prints written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
