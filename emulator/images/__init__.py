"""Images that guests start from: made from a distribution's packages, kept under a key of all that decides them."""

from emulator.images.definitions import names
from emulator.images.shelf import Image, Kept, get, kept, remove

__all__ = ["Image", "Kept", "get", "kept", "names", "remove"]
