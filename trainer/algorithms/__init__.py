"""Algorithms by name."""

from trainer.algorithms.registry import Algorithm, algorithms

register = algorithms.register
get = algorithms.get
names = algorithms.names

__all__ = ["Algorithm", "get", "names", "register"]
