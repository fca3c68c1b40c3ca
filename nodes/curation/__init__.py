"""Curation: what is wrong with the studies that a site has pulled, and what is done about it.

A check is one function in a file of its own here, registered under the kind of what it finds.
"""

from nodes.curation.curating import curate
from nodes.curation.findings import Finding, Findings
from nodes.curation.pulled import curated
from nodes.curation.reporting import Policy, Verdict, judge

__all__ = ["Finding", "Findings", "Policy", "Verdict", "curate", "curated", "judge"]
