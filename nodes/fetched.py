"""How a study came from a PACS: plain data, for whoever keeps or shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fetched:
    """One pull of a study. `why` says why by this way, and what went wrong with better ones; `retries` is how often it
    was taken up again, `doubled` how many instances came more than once. `fate` is "dropped" where curation
    left the study out, "failed" where it could not be had; `remark` is what was found, or why.

    `rx` and `tx` are payload bytes, seen from the site: over HTTP bodies (multipart framing included), over DIMSE the
    data of P-DATA (commands and data sets; not the heads of PDUs, nor what makes and ends associations). Lists are
    not in it.
    """

    study: str
    way: str
    why: str
    instances: int
    rx: int
    tx: int
    retries: int = 0
    doubled: int = 0
    seconds: float = 0.0
    fate: str = "kept"
    remark: str = ""
