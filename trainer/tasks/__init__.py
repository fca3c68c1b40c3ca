"""Tasks by name."""

from trainer.tasks.registry import Sample, Source, Task, Traffic, tasks

register = tasks.register
get = tasks.get
names = tasks.names

__all__ = ["Sample", "Source", "Task", "Traffic", "get", "names", "register"]
