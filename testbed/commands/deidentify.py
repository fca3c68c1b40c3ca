"""`testbed deidentify PATH --out PATH`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from emulator.errors import CannotHere, WrongInput
from testbed import progress
from testbed.output import document, people
from testbed.parameters import Command, json_option
from testbed.units import counted

if TYPE_CHECKING:
    from nodes.deidentification.exporting import Exported


@click.command(
    "deidentify",
    cls=Command,
    examples=(
        ("testbed deidentify ~/studies --out ~/shareable", "pseudonyms and UIDs by this home's own key; dates go"),
        ("testbed deidentify ~/studies --out ~/shareable --dates shift", "visits stay as far apart as they were"),
        ("testbed deidentify ~/studies --out ~/shareable --key trial.key", "the same key elsewhere: the same UIDs"),
    ),
)
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", required=True, metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path), help="Where files go."
)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of 16 secret bytes or more; made where there is none. Default: one of this home.",
)
@click.option(
    "--dates",
    type=click.Choice(["remove", "shift"]),
    default="remove",
    help="Take dates out, or move all of a patient back by as many days, one to ten years.",
)
@json_option
def command(path: Path, out: Path, key: Path | None, dates: Literal["remove", "shift"], json: bool) -> None:
    """Take out of DICOM files whom they are of, by PS3.15's basic profile.

    Files below PATH are written to FOLDER as STUDY/INSTANCE.dcm under new UIDs; originals stay as they are. The same
    key gives the same UIDs and pseudonyms. The label stays, as its code alone. What may still tell who it is (text in
    pixels, documents) and what is no DICOM is left out, and listed with why. Interrupted, it goes on where it stopped
    when it is run again. Where nothing can be written, that is wrong input (exit code 2).
    """
    from emulator.worlds import home
    from nodes.deidentification.exporting import export
    from nodes.passwords import kept_secret

    _refuse_inside(path, out)
    _refuse_shared("--key" if key else "this home's key", key or home() / "deidentify.key", out)
    _refuse_shared("the list of originals", home() / "deidentified", out)
    secret = _secret_of(key) if key else kept_secret(home() / "deidentify.key")
    with progress.shown() as report:
        found = export(path, out, secret, dates, home() / "deidentified", report)
    if not found.written and not found.known:
        raise WrongInput(f"{path}: nothing in it can be de-identified; why, file by file, is in {found.list}")
    if json:
        document({"out": str(out), "dates": dates, **_told(found)})
    _show(out, found, json)


def _refuse_inside(path: Path, out: Path) -> None:
    if out.resolve().is_relative_to(path.resolve()) or path.resolve().is_relative_to(out.resolve()):
        raise WrongInput(f"--out: '{out}' and '{path}' lie in each other; take a folder beside the originals")


def _refuse_shared(what: str, kept: Path, out: Path) -> None:
    """Whoever gets OUT must not get what turns it back."""
    if kept.resolve().is_relative_to(out.resolve()):
        raise WrongInput(f"{what}: '{kept}' would lie in '{out}', which is given away; keep it elsewhere")


def _secret_of(key: Path) -> bytes:
    from nodes.passwords import kept_secret

    try:
        return kept_secret(key)
    except CannotHere as error:
        why = getattr(error.__cause__, "strerror", error)
        raise WrongInput(
            f"--key: '{key}' can be neither read nor made ({why}); name a file in a folder that is there and yours"
        ) from error


def _told(found: "Exported") -> dict[str, object]:
    told = asdict(found)
    listed, left_out, named = (told.pop(name) for name in ("list", "left_out", "named"))
    identifying = {"files_before": named, "files_after": 0}
    return {**told, "left_out": {"files": left_out, "list": str(listed)}, "identifying": identifying}


def _show(target: Path, found: "Exported", json: bool) -> None:
    out = people(json)
    out.print(f"{target}: {counted(found.files, 'file')} of {counted(found.studies, 'study')}", soft_wrap=True)
    out.print(f"curation finds identifying attributes in {found.named:,} of them before, and in none afterwards")
    if found.known:
        out.print(f"{counted(found.known, 'file')} known already")
    if found.left_out:
        out.print(f"{counted(found.left_out, 'file')} left out; why: {found.list}", soft_wrap=True)
