"""A store in a thread that takes bytes at addresses the kit's portal names; it can misbehave."""

import base64
import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from sayso_agent.conformance.wire import Answer, Seen, handler


@dataclass
class FakeBucket:
    """Put answers in `misbehave`; a pair (answer, True) takes the bytes all the same."""

    requests: list[Seen] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)  # path -> bytes
    misbehave: list[tuple[Answer, bool]] = field(default_factory=list)

    def __enter__(self) -> "FakeBucket":
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), handler(self._respond, lambda: False, time.time)
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def address(self, batch: str, size: int, sha256: str) -> dict[str, Any]:
        """Return what a portal tells an agent of it."""
        return {
            "upload_url": f"{self.url}/batches/{batch}?signature=0",
            "upload_headers": {
                "Content-Length": str(size),
                "Content-Type": "application/octet-stream",
                "x-amz-checksum-sha256": _base64(bytes.fromhex(sha256)),
            },
            "received_url": f"/api/v1/batches/{batch}/received",
        }

    def _respond(self, seen: Seen) -> Answer:
        self.requests.append(seen)
        answer, takes = self.misbehave.pop(0) if self.misbehave else ((200, {}, b""), True)
        if _base64(hashlib.sha256(seen.body).digest()) != seen.headers.get("x-amz-checksum-sha256"):
            return 400, {}, b"BadDigest"
        if takes:
            self.stored[seen.path.partition("?")[0].rpartition("/")[2]] = seen.body
        return answer


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
