"""`testbed inventory [WORLD]`."""

import click

from testbed.output import complain, document
from testbed.parameters import Command, world_argument


@click.command(
    "inventory",
    cls=Command,
    examples=(
        ("testbed inventory > hosts.json", "the only world's virtual machines"),
        ("ansible-playbook -i hosts.json my.yml", "your own Ansible on them"),
        ("ansible -i hosts.json image_debian_13 -m command -a 'uname -r'", "the kernel of each Debian 13 guest"),
    ),
)
@world_argument
def command(world: str | None) -> None:
    """Print an Ansible inventory of a world's virtual machines, as JSON.

    Groups are the topology's groups, image_NAME for each image, and testbed for all. Ansible comes in as root by SSH,
    with a key of the world's own, from the site's gateway: nothing has to be opened, and nothing crosses the WAN. The
    guests' SSH servers are started; after a guest was restarted, ask again.
    """
    from emulator.worlds import World
    from testbed.inventory import inventory, let_in

    opened = World.open(world)
    found = inventory(opened.topology, opened.folder)
    for site, why in let_in(opened, sorted(found["all"]["hosts"])).items():
        complain(f"{site} can't be reached: {why}")
    document(found)
