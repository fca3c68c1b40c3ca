"""Probing a PACS: what it really offers, found out by asking it.

capabilities   what can be found out
web            HTTP: who may call, keep-alive, STOW-RS       (browser, qido, wado)
dimse          DIMSE: associations, C-ECHO to C-MOVE         (association, finding)
line           connections, and the time that they may take
"""

from nodes.probe.capabilities import Capabilities
from nodes.probe.probing import probe

__all__ = ["Capabilities", "probe"]
