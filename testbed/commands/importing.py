"""`testbed import PATH --out COHORT`."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emulator.errors import WrongInput
from emulator.topology.words import Stock
from testbed import progress
from testbed.completion import complete_cohorts
from testbed.output import document, people
from testbed.parameters import Command, json_option
from testbed.units import counted, octets

if TYPE_CHECKING:
    from nodes.imports.importing import Outcome


@click.command(
    "import",
    cls=Command,
    examples=(
        ("testbed import ~/ADNI --out adni", "a download of ADNI with its CSV: DICOM, diagnoses from the CSV"),
        ("testbed import ds004856 --out seniors", "a BIDS dataset; diagnoses from participants.tsv"),
        ("testbed import /usr/share/datasets/fashion-mnist --out fashion", "pictures, as multi-frame captures"),
        ("testbed import study.zip --out adni", "more files into a cohort that is there"),
    ),
)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", required=True, metavar="COHORT", shell_complete=complete_cohorts, help="The cohort's name, new or not."
)
@json_option
def command(path: Path, out: str, json: bool) -> None:
    """Import real images into a cohort, which a topology takes studies from.

    DICOM and NIfTI files, zips of them, BIDS datasets, ADNI's downloads, idx files. What is left out is listed with
    why, in left-out.csv of the cohort's folder. Interrupted, it goes on where it stopped when it is run again; what a
    cohort holds is not imported twice. A PATH in which there is nothing to import is wrong input (exit code 2).
    """
    from emulator.worlds import home
    from nodes.imports import cohorts_folder
    from nodes.imports.importing import run

    with progress.shown() as report:
        found = run(path, cohorts_folder(home()) / _named(out), report)
    if not found.cohort.studies:
        raise WrongInput(f"{path}: nothing in it can be imported; why, file by file, is in {found.list}")
    if json:
        document({"cohort": out, **asdict(found.cohort), **_told(found)})
    _show(out, found, json)


def _named(name: str) -> str:
    from emulator.topology.fields import LONGEST_NAME, is_name

    if not is_name(name) or name == "warehouse":
        expected = f"1 to {LONGEST_NAME} of a-z, 0-9 and '-', not '-' first, and not 'warehouse'"
        raise WrongInput(f"--out: '{name}' can't name a cohort; expected {expected}")
    return name


def _told(found: "Outcome") -> dict[str, object]:
    return {
        "looked_at": found.looked_at,
        "known_before": found.known,
        "left_out": {"files": found.left_out, "list": str(found.list)},
    }


def _show(name: str, found: "Outcome", json: bool) -> None:
    out, cohort = people(json), found.cohort
    out.print(f"{name}: {counted(cohort.studies, 'study')}, {cohort.instances:,} instances, {octets(cohort.bytes)}")
    out.print(f"labels: {_listed(cohort.labels, 'without a label')}")
    if aside := Stock(cohort.content, cohort.labels).aside:
        out.print(f"the {counted(aside, 'study')} without a label will be no site's: nothing can be learnt from them")
    out.print(f"studies by modality: {_listed(cohort.modalities, 'without one')}")
    if found.known:
        out.print(f"{counted(found.known, 'file')} known already")
    if found.left_out:
        out.print(f"{counted(found.left_out, 'file')} left out; why: {found.list}", soft_wrap=True)


def _listed(counts: Mapping[str, int], unnamed: str) -> str:
    return ", ".join(f"{count:,} {name or unnamed}" for name, count in counts.items())
