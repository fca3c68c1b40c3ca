"""Toxiproxy at a site's gateway: faults on the TCP streams between the site's worker, its PACS and the hub.

server     the program and how it is started: one a gateway that has toxics
diverting  how the worker's connections come to it, under the addresses that they were made to
api        its HTTP interface: toxics in the testbed's words, put on and taken off one by one (imported by itself:
           httpx takes 80 ms, which a world without toxics has no use for)
"""

from emulator.toxics.diverting import divert, leave_alone, ready_to_divert
from emulator.toxics.server import ADVICE, API_ADDRESS, PROGRAM, is_server, proxies, server, server_name, servers

__all__ = [
    "ADVICE",
    "API_ADDRESS",
    "PROGRAM",
    "divert",
    "is_server",
    "leave_alone",
    "proxies",
    "ready_to_divert",
    "server",
    "server_name",
    "servers",
]
