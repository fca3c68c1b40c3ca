"""What ansible prints here: one line a step, and of a failure only what a person can act on."""

from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: steps
type: stdout
short_description: one line a step
description:
  - Prints the name of each task when it starts, or, of one that may be skipped, when it has changed something.
  - Prints message and output of those that fail. Tasks tagged survey or quiet get no line.
"""


def _silent(task: Any) -> bool:
    return bool({"survey", "quiet"} & set(task.tags))


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible has no types
    """Ansible finds it by this name, and by `stdout_callback = steps`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "steps"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if not _silent(task) and not task.when:
            self._say(task.name)

    def v2_runner_on_ok(self, result: Any) -> None:
        if result.task.when and result.is_changed() and not _silent(result.task):
            self._say(result.task.name)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        found = result.result
        self._say(f"failed at: {result.task_name}")
        for text in (found.get("msg"), found.get("stderr") or found.get("stdout")):
            if text:
                self._display.display(str(text).strip())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._say(f"not reached: {result.result.get('msg')}")

    def _say(self, text: str) -> None:
        self._display.display(f"host: {text}")
