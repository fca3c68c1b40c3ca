import socket
import threading

import httpx
import pytest

from emulator.errors import Fell
from emulator.worlds.transport import PlaceTransport


@pytest.mark.parametrize("error", [Fell("site lyon: connection refused"), FileNotFoundError("the world's folder")])
def test_a_place_that_cannot_be_reached_is_a_connection_that_failed(error: Exception) -> None:
    def connect(host: str, port: int, timeout_s: float) -> socket.socket:
        raise error

    with httpx.Client(transport=PlaceTransport(connect)) as client, pytest.raises(httpx.ConnectError, match=str(error)):
        client.get("http://10.0.0.1/")


def test_a_mistake_of_ours_is_not_taken_for_a_network_that_failed() -> None:
    def connect(host: str, port: int, timeout_s: float) -> socket.socket:
        raise TypeError("a mistake")

    with httpx.Client(transport=PlaceTransport(connect)) as client, pytest.raises(TypeError, match="a mistake"):
        client.get("http://10.0.0.1/")


def test_a_request_goes_over_the_connection_that_was_made() -> None:
    ours, theirs = socket.socketpair()

    def serve() -> None:
        theirs.recv(65536)
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    server = threading.Thread(target=serve)
    server.start()
    with httpx.Client(transport=PlaceTransport(lambda host, port, timeout_s: ours)) as client:
        assert client.get("http://10.0.0.1/").text == "hi"
    server.join()
    theirs.close()
