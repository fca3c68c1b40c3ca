"""The version of this distribution."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """As installed; `uninstalled` when run straight from a checkout."""
    try:
        return installed("pacs-testbed")
    except PackageNotFoundError:
        return "uninstalled"
