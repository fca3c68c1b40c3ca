"""Playing an Ansible playbook through ansible-runner, told task by task, its artefacts kept."""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_END_WITHIN_S = 10.0
Told = Callable[[str], None]
Inventory = Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A task that failed on a host, or (`reached` is False) a host that could not be reached."""

    host: str
    task: str
    why: str
    reached: bool


@dataclass(frozen=True)
class Played:
    """What became of a playbook. `ok`: it came to its end everywhere. `changed` counts tasks that changed something."""

    ok: bool
    changed: Mapping[str, int]
    failures: tuple[Failure, ...]
    said: str


@dataclass
class _Listener:
    """Takes ansible-runner's events."""

    told: Told
    failures: list[Failure] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)

    def __call__(self, event: Mapping[str, Any]) -> bool:
        kind, data = event["event"], event.get("event_data", {})
        if kind == "playbook_on_task_start":
            self.told(str(data.get("task", "")))
        elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            why = _reason(data.get("res", {}))
            reached = kind == "runner_on_failed"
            self.failures.append(Failure(str(data.get("host")), str(data.get("task")), why, reached))
        elif kind == "playbook_on_stats":
            self.changed = {**dict.fromkeys(data.get("ok", {}), 0), **data.get("changed", {})}
        return True  # the runner writes it down


def play(
    playbook: Path, inventory: Inventory, folder: Path, told: Told, environment: Mapping[str, str], *words: str
) -> Played:
    """Play `playbook` on the hosts of `inventory`; `words` are options of ansible-playbook. All is kept below `folder`.

    A host that fails or can't be reached ends up in the answer; nothing is raised for it. An interrupt ends it too.
    """
    import ansible_runner  # 0.3 s to import, for those who play something

    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts.json"
    hosts.write_text(json.dumps(inventory, indent=1))
    listener = _Listener(told)
    interrupted = threading.Event()
    thread, run = ansible_runner.run_async(
        private_data_dir=str(folder),
        project_dir=str(playbook.parent),
        playbook=str(playbook),
        inventory=str(hosts),
        cmdline=" ".join(words) or None,
        envvars={**_surroundings(folder), **environment},
        event_handler=listener,
        cancel_callback=interrupted.is_set,
        quiet=True,
        settings={"suppress_env_files": True, "pexpect_timeout": 1},
    )
    try:
        thread.join()
    except BaseException:
        interrupted.set()
        thread.join(_END_WITHIN_S)
        raise
    said = run.stdout.read() if run.stdout else ""
    return Played(run.rc == 0, listener.changed, tuple(listener.failures), said)


def _surroundings(folder: Path) -> dict[str, str]:
    """ansible-playbook is found beside our Python, wants a UTF-8 locale, and keeps its scratch files below `folder`."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }


def _reason(result: Mapping[str, Any]) -> str:
    parts = [str(result.get(name, "")).strip() for name in ("msg", "stderr", "module_stderr")]
    return ": ".join(dict.fromkeys(part for part in parts if part))[-1000:] or "no reason given"
