"""The door: `testbed COMMAND …`.

Commands are loaded when they are asked for; every expected error becomes one message and one exit code.
"""

import errno
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from emulator.errors import CannotHere, TestbedError
from testbed.output import complain

NAMES = (
    "doctor",
    "validate",
    "schema",
    "plan",
    "up",
    "ls",
    "status",
    "exec",
    "machine",
    "console",
    "logs",
    "virsh",
    "open",
    "pacs",
    "link",
    "fault",
    "capture",
    "check",
    "down",
    "train",
    "runs",
    "show",
    "cost",
    "report",
    "replay",
    "import",
    "deidentify",
    "fill",
    "image",
    "inventory",
    "configure",
    "demo",
    "completion",
)
_MODULES = {"import": "importing"}  # no module can be called as a keyword is
INTERRUPTED = 130
_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # Python's 700 make a sixth of a command's start: imports leave no garbage


class Commands(click.Group):
    """A group whose commands are one module each under `testbed.commands`, imported when first asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        found = importlib.import_module(f"testbed.commands.{_MODULES.get(cmd_name, cmd_name)}").command
        return found if isinstance(found, click.Command) else None


def _tell_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from testbed.version import version  # 15 ms to look up, for those who ask

        click.echo(f"testbed, version {version()}")
        context.exit()


@click.command(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "auto_envvar_prefix": "TESTBED",
        "max_content_width": 110,
    },
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """Hospitals, their PACS and the network between them on one machine, to train over and to measure.

    Write a network as YAML, bring it up, train over it, and read what it cost. Every option is also an
    environment variable, TESTBED_<COMMAND>_<OPTION>. State lives under $TESTBED_HOME (default: the XDG data
    folder). WORLD may be left out where one world is up, RUN where the newest is meant.
    """


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; an expected error is told in one message on stderr."""
    _see_system_programs()
    try:
        result = commands.main(args=list(arguments), prog_name="testbed", standalone_mode=False)
    except TestbedError as error:
        complain(str(error))
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except OSError as error:
        return _of_the_machine(error)
    return result if isinstance(result, int) else 0


def _see_system_programs() -> None:
    """Debian keeps ip, nft, tc and Orthanc where an ordinary user's PATH does not look."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*path, *(folder for folder in _SYSTEM if folder not in path)])


def main() -> None:
    """The console script. SIGTERM and a closed terminal count as Ctrl-C, so that both leave things whole."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(run(sys.argv[1:]))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _of_the_machine(error: OSError) -> int:
    """A full disk or a refused folder is the machine's; a closed pipe is nobody's; all else is our fault."""
    if error.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        return 0
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
        where = error.filename or "this machine"
        complain(f"{where}: {error.strerror}; free or open it, or set TESTBED_HOME elsewhere")
        return CannotHere.exit_code
    raise error
