"""Sends numbered ICMP echo replies, which nobody answers: `numbered_packets.py ADDRESS COUNT GAP_US BYTES`.

Prints, for each packet, the moment at which it was sent, in nanoseconds of the wall clock. `BYTES` counts the whole IP
packet. Knows nothing of the emulator, and runs as a program at a place of a world.
"""

import socket
import struct
import sys
import time

_IP_AND_ICMP = 28
IDENTIFIER = 0x7E57
_CATCHES_UP_S = 0.02  # of what the machine held up: more at once would fill a queue that is not what is asked after


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _echo_reply(number: int, payload: bytes) -> bytes:
    start = struct.pack("!BBHHH", 0, 0, 0, IDENTIFIER, number)
    return start[:2] + struct.pack("!H", _checksum(start + payload)) + start[4:] + payload


def main(address: str, count: int, gap_s: float, size: int) -> None:
    payload = bytes(size - _IP_AND_ICMP)
    packets = [_echo_reply(number, payload) for number in range(count)]
    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.connect((address, 0))
        begun = time.monotonic()
        for number, packet in enumerate(packets):
            begun = max(begun, time.monotonic() - number * gap_s - _CATCHES_UP_S)
            time.sleep(max(0.0, begun + number * gap_s - time.monotonic()))
            sent.append(time.time_ns())
            raw.send(packet)
    print("\n".join(map(str, sent)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1e6, int(sys.argv[4]))
