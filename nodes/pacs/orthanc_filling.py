"""An Orthanc that is being filled. Apart from its flavour: httpx takes 60 ms to import, and only baking uses it."""

import json
import subprocess
import time
from pathlib import Path

import httpx

from nodes.errors import CannotHere, PullFailed
from nodes.pacs.ending import end
from nodes.pacs.flavours import PacsAnswer
from nodes.pacs.orthanc import answered


class Running:
    """An Orthanc that is being filled, on a loopback port."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        # A connection for each call: Orthanc closes one that idles for half a second, also just as a study is sent.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, limits=fresh)

    def wait(self, within_s: float) -> None:
        """Wait until it answers; raises CannotHere with the end of its log."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._http.get("/system").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.01)
            else:
                return
        raise CannotHere(f"Orthanc did not start within {within_s:.0f} s; it says: {self._last_words()}")

    def put(self, archive: bytes) -> None:
        try:
            answer = self._http.post("/instances", content=archive)
        except httpx.HTTPError as error:
            raise PullFailed(
                f"Orthanc fell while it was being filled ({error}); it says: {self._last_words()}"
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise PullFailed(
                f"Orthanc refused a study: {answer.status_code} {answer.text[:200]}; it says: {self._last_words()}"
            )
        refused = [entry for entry in answer.json() if entry["Status"] not in ("Success", "AlreadyStored")]
        if refused:
            raise PullFailed(
                f"Orthanc did not store {len(refused)} files of a study, the first: {json.dumps(refused[0])}"
            )

    def count(self) -> PacsAnswer:
        return answered(self._http.get("/system").json(), self._http.get("/statistics").json())

    def stop(self) -> None:
        """End it cleanly, so that the index is whole."""
        self._http.close()
        end(self._process)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return " | ".join(line for line in lines[-40:] if line.startswith("E") or "rror" in line)[-600:] or "nothing"
