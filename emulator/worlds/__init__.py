"""Worlds: a topology brought up, reached into, and taken away without a trace."""

from emulator.inside.agent import enter
from emulator.worlds.changes import Changes, changes
from emulator.worlds.early import Early
from emulator.worlds.home import home
from emulator.worlds.record import WorldEntry
from emulator.worlds.world import World, ls

__all__ = ["Changes", "Early", "World", "WorldEntry", "changes", "enter", "home", "ls"]
