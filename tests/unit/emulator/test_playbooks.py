"""Ansible, for real, on this machine: what a caller is told of a play."""

import socket
import sys
from pathlib import Path

from emulator.playbooks import Failure, Played, play

HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
TASKS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: the first step
      ansible.builtin.file: {path: "{{ made }}", state: touch}
    - name: a step that some fail at
      ansible.builtin.command: {argv: [sh, -c, "echo nothing works >&2; exit 3"]}
      when: "'bad' in inventory_hostname"
"""


def _played(folder: Path, hosts: dict[str, dict[str, str]], *words: str) -> tuple[Played, list[str]]:
    (folder / "steps.yml").write_text(TASKS)
    told: list[str] = []
    every = {name: {**host, "made": str(folder / name)} for name, host in hosts.items()}
    return play(folder / "steps.yml", {"all": {"hosts": every}}, folder / "kept", told.append, {}, *words), told


def test_a_play_is_told_step_by_step_and_its_failures_by_host(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: nobody answers, nobody else can
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        away = {"ansible_host": "127.0.0.1", "ansible_port": port, "ansible_ssh_args": "-F none"}
        played, told = _played(tmp_path, {"good": HERE, "bad": HERE, "away": away})
    assert told == ["the first step", "a step that some fail at"]
    assert not played.ok
    assert played.changed == {"good": 1, "bad": 1}
    assert {(one.host, one.reached) for one in played.failures} == {("bad", True), ("away", False)}
    assert "nothing works" in _of(played, "bad").why
    assert "Connection refused" in _of(played, "away").why
    assert list((tmp_path / "kept" / "artifacts").glob("*/job_events/*.json"))


def test_a_limit_leaves_others_alone(tmp_path: Path) -> None:
    played, _ = _played(tmp_path, {"good": HERE, "bad": HERE}, "--limit", "good")
    assert played.ok
    assert (tmp_path / "good").exists()
    assert not (tmp_path / "bad").exists()


def _of(played: Played, host: str) -> Failure:
    return next(failure for failure in played.failures if failure.host == host)
