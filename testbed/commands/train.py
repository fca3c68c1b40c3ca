"""`testbed train [WORLD]`."""

from pathlib import Path
from typing import Any

import click

from emulator.errors import WrongInput
from testbed.commands.show import exceeded, incomplete, tell
from testbed.completion import complete_runs
from testbed.output import complain, document, people
from testbed.parameters import Command, json_option, world_argument
from testbed.units import counted

FELL_SHORT = 1


@click.command(
    "train",
    cls=Command,
    examples=(
        ("testbed train", "what the topology's `training` says, over the only world"),
        ("testbed train fifty-sites --rounds 20 --seed 3", "more rounds, other first weights and batches"),
        ("testbed train --algorithm local-only --set learning_rate=0.01", "every site by itself, for comparison"),
        ("testbed train --set quorum=0.8 --set deadline=60s --set late=next-round", "go on without slow sites"),
        ("testbed train --scenario topologies/scenarios/vpn-drop.yaml", "while things break, as that file says"),
        ("testbed train --resume 20261124-110512-a3f1", "go on with an interrupted run where it stopped"),
    ),
)
@world_argument
@click.option("--task", help="What is learned; without it, the topology's.")
@click.option("--algorithm", help="How hub and workers update the model; without it, the topology's.")
@click.option("--rounds", type=click.IntRange(min=1), help="How many rounds; without it, the topology's.")
@click.option("--seed", type=click.IntRange(min=0), help="Of weights and batches; without it, the topology's.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="TESTBED_TRAIN_SET",
    help="Another key of the topology's `training`, or options.NAME; may be given several times.",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="FILE",
    envvar="TESTBED_TRAIN_SCENARIO",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Faults to train through, besides the topology's; may be given several times.",
)
@click.option("--resume", metavar="RUN", shell_complete=complete_runs, help="Go on with an interrupted run.")
@json_option
def command(
    world: str | None,
    task: str | None,
    algorithm: str | None,
    rounds: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    scenarios: tuple[Path, ...],
    resume: str | None,
    json: bool,
) -> int:
    """Train over a world, recorded; print the run's id.

    The same topology and seed give the same model, whatever the order in which updates arrive. Ctrl-C stops the run;
    --resume goes on at the round that was lost and reaches the same model. Ends with exit code 1 where the run is done
    but the emulation was out of bounds in some of its rounds (see `show`, and `fidelity` in the topology), or where it
    asks for all sites (require=all) and some were missing.
    """
    from testbed.runs import opened
    from testbed.training import again, fresh

    if resume is not None:
        _alone(
            task=task, algorithm=algorithm, rounds=rounds, seed=seed, set=settings or None, scenario=scenarios or None
        )
        run = again(resume, world)
    else:
        run = fresh(world, task, algorithm, rounds, seed, settings, scenarios)
    summary = opened(run).summary()
    tell(summary, people(json=True))
    if json:
        document(summary)
    else:
        click.echo(run)
    if incomplete(summary):
        complain(
            f"run {run} asks for all sites in every round, and {counted(len(summary['missing']), 'site')} were missing"
        )
    return FELL_SHORT if exceeded(summary) or incomplete(summary) else 0


def _alone(**options: Any) -> None:
    """A resumed run keeps what it was started with: anything else would be another run."""
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise WrongInput(f"--resume goes on with a run as it was started; leave out {', '.join(given)}")
