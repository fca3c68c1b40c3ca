"""Reports: one self-contained page for one run, or for several compared.

Everything on it is a query on the run's record; it fetches nothing and runs no script.
"""

from testbed.report.page import compared, single

__all__ = ["compared", "single"]
