"""Tasks by name."""

from trainer.tasks.registry import Sample, Source, Task, tasks

register = tasks.register
get = tasks.get
names = tasks.names

__all__ = ["Sample", "Source", "Task", "get", "names", "register"]
