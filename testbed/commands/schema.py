"""`testbed schema`."""

import click

from emulator import topology
from testbed.composition import known
from testbed.output import document
from testbed.parameters import Command, json_option


@click.command(
    "schema",
    cls=Command,
    examples=(
        (
            "testbed schema > topology.schema.json",
            "then, at the top of a topology, for editors with a YAML server:",
        ),
        (
            "# yaml-language-server: $schema=topology.schema.json",
            "words are completed and mistakes underlined",
        ),
    ),
)
@json_option
def command(json: bool) -> None:
    """Print the JSON Schema of topologies, for editors.

    It is JSON with and without --json.
    """
    document(topology.schema(known()))
