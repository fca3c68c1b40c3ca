"""What is done inside of a guest, as shell scripts for its channel.

A service runs in `FOLDER`. In the golden guest it is started already, and waits in open() of the one file that its
arguments name: a lease is held on it (fcntl(2), F_SETLEASE), until a clone has its own content for it.
"""

import shlex
import time
from collections.abc import Mapping, Sequence

FOLDER = "/run/pacs"
"""Stands for `@FOLDER@` in a guest."""
HOLD = "/usr/lib/testbed/hold"
PRELOAD = "/usr/lib/testbed/preload"
"""What an image has its services load before all else, so that less is left to be done by every clone."""
SSHD = "/usr/lib/testbed/sshd"
ENDED = "testbed: the service ended with"
"""What the console says, and an exit code, of a service that has ended while its guest goes on."""
_LOOKS = 300
_LAST_LINES = 15


def placed(text: str) -> str:
    """A text of a service with its folder in it."""
    return text.replace("@FOLDER@", FOLDER)


def start_held(argv: Sequence[str], env: Mapping[str, str], held: str) -> str:
    """Start a service that comes as far as its file `held`, and wait until it is there."""
    variables = shlex.join(f"{key}={value}" for key, value in env.items())
    called = f"env {variables} {shlex.join(argv)}"
    file = shlex.quote(held)
    return f"""set -e
mkdir -p {FOLDER} /run/disk /run/layer
cd {FOLDER}
: > {file}
{HOLD} {file}
early=$(echo {PRELOAD}/*.so)
[ -e "${{early%% *}}" ] || early=
LD_PRELOAD=$early setsid sh -c '"$@" & echo $! > pid; wait $!; echo "{ENDED} $?" > /dev/console' \
    service {called} > log 2>&1 < /dev/null &
looks=0
until [ -e {file}.wanted ]; do
    looks=$((looks + 1))
    [ $looks -le {_LOOKS} ] || {{ tail -n {_LAST_LINES} log; exit 1; }}
    sleep 0.1
done
"""


def settle(identity: str, files: Mapping[str, str], held: str, target: str | None) -> str:
    """Give a clone its identity, its disks and its service's files; the service goes on."""
    others = "".join(
        f"printf %s {shlex.quote(text)} > {shlex.quote(name)}\n" for name, text in files.items() if name != held
    )
    return f"""set -e
/usr/lib/testbed/identify <<'IDENTITY'
{identity}IDENTITY
mount -t ext4 -o noatime,noinit_itable /dev/vdb /run/disk
cd {FOLDER}
{_overlay(target) if target else ""}
{others}printf %s {shlex.quote(files[held])} > {shlex.quote(held)}.new
read holder < {shlex.quote(held)}.holder
kill -USR1 $holder
"""


def _overlay(target: str) -> str:
    options = "lowerdir=/run/layer,upperdir=/run/disk/upper,workdir=/run/disk/work"
    return f"""[ -d {target} ] || mkdir {target}
mount -t ext4 -o ro,noatime /dev/vdc /run/layer
mount -t overlay -o {options} overlay {target}"""


def set_clock() -> str:
    """Set a guest's clock to this moment, after it stood still."""
    return f"date -s @{time.time():.3f} > /dev/null"


HALT = f"""read service < {FOLDER}/pid
kill -TERM $service
looks=0
while kill -0 $service 2> /dev/null && [ $looks -lt 50 ]; do
    looks=$((looks + 1))
    sleep 0.1
done
sync
"""
"""End the service as an orderly shutdown does, and write everything to the disk."""
PANIC = "echo 1 > /proc/sys/kernel/sysrq; (sleep 0.1; echo c > /proc/sysrq-trigger) > /dev/null 2>&1 &"
LOG = f"tail -n {_LAST_LINES} {FOLDER}/log"
