"""A site's studies as they are known outside of it: under new UIDs, and without whom they are of."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from nodes.deidentification.profile import deidentify, new_uid, refuse_short
from nodes.errors import PullFailed
from nodes.fetched import Fetched
from nodes.pull.elements import Data

_UID: Final = re.compile(r"\b(?:2\.25\.\d+|[0-2](?:\.\d+){4,})\b")
"""In running text; an IP address is none."""


class Pseudonyms:
    """What a pull is looked at through (`nodes.pull.client.Lens`), and what the site calls its studies. Raises
    WrongInput for a secret that can be guessed."""

    def __init__(self, secret: bytes) -> None:
        refuse_short(secret)
        self._secret = secret
        self._old: dict[str, str] = {}

    def file(self, data: Data) -> Data:
        """A file without whom it is of; raises Unreadable."""
        return deidentify(data, self._secret)

    def uid(self, old: str) -> str:
        """What a UID of the archive is called."""
        return new_uid(old, self._secret)

    def listed(self, uids: Iterable[str]) -> list[str]:
        """Studies of the archive, as they are called."""
        self._old = {self.uid(old): old for old in uids}
        return sorted(self._old)

    def __contains__(self, new: object) -> bool:
        return new in self._old

    def old(self, new: str) -> str:
        """A study's UID in the archive; raises PullFailed where the archive has listed none that is called so."""
        if new not in self._old:
            raise PullFailed(f"study {new} is not in the archive's list any more")
        return self._old[new]

    def text(self, said: str) -> str:
        """Words in which the archive's UIDs may stand, in those of the site."""
        return _UID.sub(lambda found: self.uid(found[0]), said)

    def fetched(self, fetched: Fetched) -> Fetched:
        """How a study came, in the site's words."""
        study, remark, why = self.uid(fetched.study), self.text(fetched.remark), self.text(fetched.why)
        return replace(fetched, study=study, remark=remark, why=why)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """What fails inside is told in the site's words."""
        try:
            yield
        except PullFailed as error:
            told = type(error)(self.text(str(error)))
            told.fetched = error.fetched and self.fetched(error.fetched)
            raise told from None
