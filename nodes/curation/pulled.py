"""Curating studies as they are pulled."""

from dataclasses import replace

from nodes.curation.curating import curate
from nodes.curation.reporting import Policy, judge
from nodes.errors import PullFailed, Unreadable
from nodes.fetched import Fetched
from nodes.pull.client import Client
from nodes.pull.elements import Data
from nodes.pull.studies import Study


def curated(client: Client, uid: str, policy: Policy) -> tuple[Study | None, Fetched]:
    """A study, unless it is dropped, and how it came: with its fate, and a remark of what was found.

    Raises PullFailed where the policy is to stop, and where the study can't be had at all.
    """
    holding, made, fetched = client.made(uid)
    findings = curate(_seen(client, data) for _, data in holding.views())
    study, unassembled = (None, str(made)) if isinstance(made, Unreadable) else (made, "")
    verdict = judge(policy, findings, unassembled)
    if verdict.fate == "stop":
        error = PullFailed(f"study {uid}: curation stops at it: {verdict.why}")
        error.fetched = fetched
        raise error
    told = replace(fetched, fate=verdict.fate, remark=verdict.why)
    return (study if verdict.fate == "kept" else None), told


def _seen(client: Client, data: Data) -> Data:
    """As the client sees it; what it can't see through is a finding of its own."""
    try:
        return client.seen(data)
    except Unreadable:
        return data
