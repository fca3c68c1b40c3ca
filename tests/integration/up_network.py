"""Brings the tests' network up by itself, to be killed in the middle: `python up_network.py NAME`."""

import sys

from networks import LINKS, make_site, make_topology, quiet

from emulator.worlds import World

if __name__ == "__main__":
    sites = [make_site(index, link) for index, link in enumerate(LINKS, 1)]
    print("begin", flush=True)
    World.up(make_topology(sys.argv[1], sites), sys.argv[1], [], None, quiet)
    print("up", flush=True)
