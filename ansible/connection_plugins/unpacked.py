"""Ansible's connection to a system that does not run: the unpacked root of an image, entered by chroot. Needs root."""

import shlex
from typing import Any

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: unpacked
short_description: a system that does not run
description: Runs tasks below a folder that holds an unpacked system, by chroot.
options:
  root:
    description: The folder.
    vars: [{name: ansible_unpacked_root}]
    required: true
extends_documentation_fragment: [connection_pipelining]
"""


class Connection(LocalConnection):  # type: ignore[misc]  # ansible has no types
    """Ansible finds it by this name, and by `ansible_connection: unpacked`."""

    transport = "unpacked"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        words = ["chroot", self.get_option("root"), "/bin/sh", "-c", cmd]
        done: tuple[int, bytes, bytes] = super().exec_command(shlex.join(words), in_data, sudoable)
        return done

    def put_file(self, in_path: str, out_path: str) -> Any:
        return super().put_file(in_path, self._inside(out_path))

    def fetch_file(self, in_path: str, out_path: str) -> Any:
        return super().fetch_file(self._inside(in_path), out_path)

    def _inside(self, path: str) -> str:
        return str(self.get_option("root")) + path
