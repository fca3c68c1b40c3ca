"""`testbed image ls|build|rm`."""

from dataclasses import asdict

import click

from emulator.errors import WrongInput
from testbed import progress
from testbed.output import document, people, table
from testbed.parameters import Command, json_option
from testbed.units import octets


@click.group("image")
def command() -> None:
    """List, build and remove what virtual machines start from.

    An image is a Debian with Orthanc, built on this machine from the distribution's packages by the Ansible roles below
    `ansible/`, and kept under a key of all that decides it. `up` builds what it needs; here it can be done before.
    """


@command.command(
    "ls",
    cls=Command,
    examples=(
        ("testbed image ls", "images that are built, and those that could be"),
        ("testbed image ls --json | jq -r '.images[].name'", "the names of the built ones"),
    ),
)
@json_option
def ls(json: bool) -> None:
    """List images: built ones with their kernel and size, then those that could be built.

    `old` are those that an earlier version of the testbed, or of your own playbook, has made; `rm` removes them too.
    """
    from emulator.images import kept, names

    found = kept()
    unbuilt = [name for name in names() if not any(image.name == name and image.current for image in found)]
    if json:
        document({"images": [asdict(image) for image in found], "not_built": unbuilt})
        return
    shown = table("image", "state", "suite", "kernel", "key", "size", left=5)
    for image in found:
        state = "built" if image.current else "old"
        shown.add_row(image.name, state, image.suite, image.kernel, image.key[:12], octets(image.bytes))
    for name in unbuilt:
        shown.add_row(name, "not built", "", "", "", "")
    people(json).print(shown)


@command.command(
    "build",
    cls=Command,
    examples=(
        ("testbed image build debian-12", "a minute or two; one that is there already takes no time"),
        ("testbed image build debian-12 debian-13 --json", "both, told as JSON"),
    ),
)
@click.argument("names", nargs=-1, required=True, metavar="IMAGE…")
@json_option
def build(names: tuple[str, ...], json: bool) -> None:
    """Build images that are not there yet.

    An interrupted build goes on after its last finished stage. The packages come from the archive that this machine's
    own apt uses.
    """
    from emulator.images import get

    with progress.shown() as report:
        images = [get(name, report) for name in names]
    if json:
        document({"images": [{"name": i.name, "key": i.key, "folder": str(i.folder)} for i in images]})
    for image in images:
        people(json).print(f"{image.name}: {image.folder}", soft_wrap=True)


@command.command(
    "rm",
    cls=Command,
    examples=(("testbed image rm debian-12", "all of that name, old ones too"),),
)
@click.argument("names", nargs=-1, required=True, metavar="IMAGE…")
@json_option
def rm(names: tuple[str, ...], json: bool) -> None:
    """Remove images from the cache.

    Guests that run go on, but can't be started again before the image is built again.
    """
    from emulator.images import names as known
    from emulator.images import remove

    removed = {name: remove(name) for name in names}
    for name, count in removed.items():
        if not count and name not in known():
            raise WrongInput(f"no image '{name}' is kept or known; known: {', '.join(known())}")
    if json:
        document({"removed": removed})
    for name, count in removed.items():
        people(json).print(f"{name}: {'removed' if count else 'there was none'}")
