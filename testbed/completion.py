"""Names for the shell's completion. A completer never fails: with nothing to offer it offers nothing."""

import click
from click.shell_completion import CompletionItem

from emulator.errors import TestbedError


def complete_worlds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of worlds, with their state."""
    from emulator.worlds import ls

    try:
        return [CompletionItem(e.name, help=e.state) for e in ls() if e.name.startswith(incomplete)]
    except (TestbedError, OSError):
        return []


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs, newest first, with their state."""
    from testbed.runs import listed

    try:
        found = listed()
    except (TestbedError, OSError):
        return []
    return [CompletionItem(str(r["run"]), help=str(r["state"])) for r in found if str(r["run"]).startswith(incomplete)]


def complete_places(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of `[WORLD] PLACE`: worlds and the only world's places at first, then that world's places."""
    words = tuple(ctx.params.get(param.name or "") or ())
    offers = complete_worlds(ctx, param, incomplete) if not words else []
    names = _places_of(words[0] if words else None)
    return offers + [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _places_of(world: str | None) -> list[str]:
    from emulator.worlds import World

    try:
        return list(World.open(world).places())
    except (TestbedError, OSError):
        return []


def complete_sites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of `[WORLD] SITE`: worlds and the only world's sites at first, then that world's sites."""
    offered = complete_places(ctx, param, incomplete)
    return [item for item in offered if "/" not in item.value and item.value not in ("hub", "wan")]


def complete_faults(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Of `[WORLD] FAULT`: worlds at first, and the kinds of faults."""
    from emulator.faults.registry import names

    words = tuple(ctx.params.get(param.name or "") or ())
    offers = complete_worlds(ctx, param, incomplete) if not words else []
    return offers + [CompletionItem(name) for name in names() if name.startswith(incomplete)]


def complete_cohorts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of imported cohorts."""
    from emulator.worlds import home
    from nodes.imports.store import listed

    try:
        return [CompletionItem(name) for name in listed(home()) if name.startswith(incomplete)]
    except (TestbedError, OSError):
        return []
