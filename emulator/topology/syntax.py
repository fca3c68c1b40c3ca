"""What a YAML parser's complaints mean for the person who wrote the document."""

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from emulator.topology.problems import Position, Problem

_ADVICE = (
    (r"character '\t'", "a tab", "indent with spaces: YAML has no tabs"),
    ("character '@'", "a value that begins with '@'", "put it in quotes"),
    ("character '`'", "a value that begins with '`'", "put it in quotes"),
    ("character '%'", "a value that begins with '%'", "put it in quotes"),
    ("mapping values are not allowed", "a ': ' where no key can stand", "check the indentation, or put it in quotes"),
    ("could not find expected ':'", "a key without its ':'", "write 'key: value', and check the line before"),
    ("expected ',' or '}'", "a '{' that is not closed", "write ',' between entries and '}' at the end"),
    ("expected ',' or ']'", "a '[' that is not closed", "write ',' between items and ']' at the end"),
    ("unexpected end of stream", "a text whose quote is not closed", "close the quote"),
    ("expected <block end>", "a line indented unlike its neighbours", "entries of one level begin in one column"),
    ("incompatible YAML document", "a document of another YAML version", "take the %YAML line away"),
)  # fmt: skip


def problem(error: Exception, text: str, last: Position) -> Problem:
    """A parser's error as a problem. `last` is where the parser was, for errors that don't say where they are."""
    if isinstance(error, ReaderError):
        return _unprintable(error, text)
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    position = Position(mark.line + 1, mark.column + 1) if mark else last
    said = str(error.problem or error.context) if isinstance(error, MarkedYAMLError) else "a malformed escape"
    for sign, found, advice in _ADVICE:
        if sign in said:
            return Problem.told(position, found, "YAML", advice + _opened(error, position))
    return Problem.told(position, f"what no YAML parser reads ({said})", "YAML", "mend this place or the line before")


def _opened(error: Exception, position: Position) -> str:
    """Where that which is not closed was opened: the end of the file alone helps nobody."""
    mark = error.context_mark if isinstance(error, MarkedYAMLError) else None
    if mark is None or mark.line + 1 == position.line:
        return ""
    return f" (it begins at {mark.line + 1}:{mark.column + 1})"


def _unprintable(error: ReaderError, text: str) -> Problem:
    before = text[: error.position]
    position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
    character = error.character if isinstance(error.character, int) else ord(error.character[:1] or "\0")
    return Problem.told(position, f"the character U+{character:04X}", "printable text", "take it away")


PARSER_ERRORS = (YAMLError, ValueError, OverflowError)
"""What ruamel.yaml raises on malformed text; the last two for escapes of characters that don't exist."""
