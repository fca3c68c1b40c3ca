"""Every error that a person can act on.

    TestbedError                 exit code
    ├── WrongInput               2   what was typed or written is wrong
    │   └── TopologyErrors       2   all that is wrong in one topology, each with its place
    ├── CannotHere               3   this machine lacks something; the message says how to get it
    └── WrongState               4   the world or run is not in the state that this needs
        ├── WorldBusy            4   another command is changing this world
        └── Fell                 4   something that should be running has ended

`nodes.errors` and `trainer.errors` grow their own branches from these.
"""

NAMESPACES_ADVICE = (
    "run as root, or allow users to have namespaces: sysctl user.max_user_namespaces=10000, "
    "kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
)
"""What to do where the kernel refuses namespaces: worlds need them, and baking does."""


class TestbedError(Exception):
    """The root. `exit_code` is what the command line ends with; the message is for the person who must act."""

    __test__ = False  # the name begins with Test; pytest must not collect it
    exit_code = 1


class WrongInput(TestbedError):  # noqa: N818 - reads as the sentence it is
    exit_code = 2


class TopologyErrors(WrongInput):
    """All that is wrong in one topology; `problems` are whole lines: `file:line:column: what, expected, what to do`."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CannotHere(TestbedError):  # noqa: N818 - reads as the sentence it is
    exit_code = 3


class WrongState(TestbedError):  # noqa: N818 - reads as the sentence it is
    exit_code = 4


class WorldBusy(WrongState):
    pass


class Fell(WrongState):
    pass
