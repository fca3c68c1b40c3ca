"""Defects that phantom cohorts can be given on purpose, with known truth: what curation is measured by.

A kind is one function in `attributes`, `pixels` or `slices`, registered under its name.
"""

from nodes.defects.defect import Defect

__all__ = ["Defect"]
