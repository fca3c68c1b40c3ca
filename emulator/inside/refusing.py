"""An HTTP server that has one answer for everything: `python -I -S refusing.py ADDRESS PORT STATUS`."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Refusing(BaseHTTPRequestHandler):
    """Every request gets the same status. Connections are kept open, as a server's are."""

    protocol_version = "HTTP/1.1"
    status = 500

    def refuse(self) -> None:
        """The one answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


for _method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
    setattr(Refusing, f"do_{_method}", Refusing.refuse)


def main() -> None:
    Refusing.status = int(sys.argv[3])
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Refusing).serve_forever()


if __name__ == "__main__":
    main()
