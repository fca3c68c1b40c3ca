"""`python -m nodes.gateway CONFIG.json`: serves until SIGTERM or SIGINT."""

import asyncio
import sys
from pathlib import Path

from nodes.gateway.server import Server
from nodes.gateway.settings import Settings


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m nodes.gateway CONFIG.json")
    asyncio.run(Server(Settings.read(Path(sys.argv[1]))).run())


if __name__ == "__main__":
    main()
