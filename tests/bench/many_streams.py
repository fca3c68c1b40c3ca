"""TCP streams from many places to one: `many_streams.py sink|source ADDRESS PORT …`; knows nothing of the emulator.

sink    ADDRESS PORT STREAMS SKIPPED_S SECONDS   what each address sent in that time, as JSON: address → bytes
source  ADDRESS PORT                             zeros, as fast as they go, until the sink hangs up
"""

import json
import select
import socket
import sys
import time


def sink(address: str, port: int, streams: int, skipped_s: float, seconds: float) -> None:
    with socket.create_server((address, port), backlog=streams) as listener:
        print("listening", flush=True)
        found = [listener.accept() for _ in range(streams)]
    names = {one.fileno(): peer[0] for one, peer in found}
    sockets = {one.fileno(): one for one, _ in found}
    for one in sockets.values():
        one.setblocking(False)
    poll, room = select.epoll(), bytearray(1 << 20)
    for number in sockets:
        poll.register(number, select.EPOLLIN)
    bytes_of = dict.fromkeys(names.values(), 0)
    begin = time.monotonic() + skipped_s
    while (now := time.monotonic()) < begin + seconds:
        for number, _ in poll.poll(0.05):
            got = sockets[number].recv_into(room)
            if now >= begin:
                bytes_of[names[number]] += got
    print(json.dumps(bytes_of))


def source(address: str, port: int) -> None:
    zeros = bytes(1 << 16)
    with socket.create_connection((address, port)) as stream:
        try:
            while True:
                stream.sendall(zeros)
        except OSError:
            pass  # the sink has counted enough


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        sink(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]))
    else:
        source(sys.argv[2], int(sys.argv[3]))
