"""Which names the portal answers polls under: those that Django answers everything else under."""

from collections.abc import Sequence
from typing import Final

from django.http.request import split_domain_port, validate_host

from portal.endpoint.answer import Headers, Refusal

REMEMBERED: Final = 1_000
"""Names whose answer is remembered; few are ever asked for, save by who makes them up."""

HOST_REFUSED: Final = Refusal(
    status=400,
    code="host_refused",
    detail="The portal does not answer under the name in the Host header.",
    next_step="Use the portal's own address; its operator lists others (SAYSO_ALLOWED_HOSTS).",
)


class Hosts:
    """The names in ALLOWED_HOSTS, as a poll names them."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = list(allowed)
        self._known: dict[bytes, bool] = {}

    def allow(self, headers: Headers) -> bool:
        """Return whether a request with these headers is for us; one that names no host is."""
        said = [value for name, value in headers if name == b"host"]
        return not said or (len(said) == 1 and self.knows(said[0]))

    def knows(self, host: bytes) -> bool:
        """Return whether we answer under this name."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            domain, _ = split_domain_port(host.decode("latin-1"))
            known = self._known[host] = bool(domain) and validate_host(domain, self._allowed)
        return known
