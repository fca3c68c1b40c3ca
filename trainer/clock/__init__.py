"""The emulated clock: what may happen when, so that transfers are real and computing is modelled.

`phases` and `emulated` are pure: time comes in as a number. `stage` and `gate` carry them between the hub and
the workers, over sockets of this machine that no emulated link sees.
"""
