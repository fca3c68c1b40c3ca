"""Phantoms: heads and brains made from real anatomy, one per synthetic subject.

Nobody's images: see docs/decisions/0004.
"""
