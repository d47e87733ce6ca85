"""The first visitor: asks the web for its page and notes when it came."""

import http.client
import threading
import time
from urllib.parse import urlsplit

PATIENCE = 60.0
REDIRECTS = range(300, 400)


class FirstVisit:
    """A visit in a thread of its own; the port is open already, so that it waits its turn."""

    def __init__(self, address: str) -> None:
        """Begin the visit."""
        self.status = 0
        self.done = False
        place = urlsplit(address)
        self._host, self._port = place.hostname or "127.0.0.1", place.port
        threading.Thread(target=self._visit, name="first visit", daemon=True).start()

    def _visit(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.done and time.monotonic() < deadline:
            try:
                self.status = self._page("/")
                self.done = True
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # it ended while it answered; it is being started again

    def _page(self, path: str) -> int:
        """Return the page's status, or that of the page it leads to: people see that one."""
        status, target = self._get(path)
        if status in REDIRECTS and target.startswith("/"):
            status, _ = self._get(target)
        return status

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Accept": "text/html"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("Location") or ""
        finally:
            connection.close()
