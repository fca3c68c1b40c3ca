"""`testbed replay [RUN]`."""

import click

from emulator.errors import WrongInput
from testbed import progress
from testbed.output import document, people, table
from testbed.parameters import Command, json_option, run_argument
from testbed.units import counted

FELL_SHORT = 1


@click.command(
    "replay",
    cls=Command,
    examples=(
        (
            "testbed replay 20261124-110512-a3f1 --strict",
            "the same sites in the same order: the same model in every round",
        ),
        ("testbed replay 20261124-110512-a3f1", "the same faults again; what differs is listed"),
        ("testbed replay --with quorum=0.8 --with deadline=60s", "what if: how the newest run would have gone so"),
    ),
)
@run_argument
@click.option("--strict", is_flag=True, help="Force recorded participation and order; the models must be the same.")
@click.option(
    "--with",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="TESTBED_REPLAY_WITH",
    help="Another value of a key of `training`; may be given several times.",
)
@click.option("--wan", metavar="KERNEL", help="Of a world that is brought up for it: host, uml or plain, as of `up`.")
@json_option
def command(run: str | None, strict: bool, settings: tuple[str, ...], wan: str | None, json: bool) -> int:
    """Run a recorded training again, and say what differs.

    The recorded topology is brought up for it, and taken down afterwards, unless its world is up and unchanged. The
    replay is a run of its own. Without --strict the faults of the run happen again; links that were changed by hand are
    not changed again. Ends with exit code 1 where something differs, unless another setting was asked for.
    """
    from testbed.replaying import replayed
    from testbed.runs import opened

    if strict and settings:
        raise WrongInput("--strict repeats a run as it was; leave out --with")
    with progress.shown() as report:
        found = replayed(opened(run), strict, settings, wan, report)
    out = people(json)
    for entry in found.machine:
        out.print(f"{entry['what']} was {entry['recorded']}, and is {entry['here']} here", soft_wrap=True)
    if found.differences:
        shown = table("round", "what", "recorded", "replayed", left=4)
        for one in found.differences:
            shown.add_row(*(_cell(one[key]) for key in ("round", "what", "recorded", "replayed")))
        out.print(shown)
    compared = "in the models" if strict else "in who took part, in which order, in bytes, times and models"
    verdict = counted(len(found.differences), "difference") if found.differences else "no difference"
    out.print(f"{found.run} replays {found.replay_of}: {verdict} {compared}", soft_wrap=True)
    if json:
        document(found.document())
    return 0 if found.identical or settings else FELL_SHORT


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)[:16] if isinstance(value, str) else str(value)
