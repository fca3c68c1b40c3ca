"""Faults: what can happen to a world, each kind one file of this folder, found by its name.

A kind is a form (its settings, with units and limits) and a pure plan: what the world's agent does at the beginning,
and what undoes it at the end. `registry` finds kinds, `emulator.worlds.faults` begins faults, `emulator.inside.keeper`
ends them.
"""
