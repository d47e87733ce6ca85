"""The taps on Withdraw: real requests of signed-in people, and when each was committed."""

import secrets
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection
from django.urls import reverse

from portal.simulation.http import Address, Client, NoAnswer

CSRF_LENGTH: Final = 32
PATIENCE: Final = 60.0

COMMITTED: Final = """
SELECT DISTINCT ON (subject_id) subject_id, extract(epoch FROM {instant})::float8
FROM consent_consentevent
WHERE subject_id = ANY(%s) AND state = 'withdrawn' AND recorded_at > to_timestamp(%s)
ORDER BY subject_id, position DESC
"""


@dataclass(slots=True)
class Click:
    """One tap: when the request was sent and answered, on the monotonic clock; "" if it went well.

    `committed` is on the same clock; None where no withdrawal of that person is on record.
    """

    subject: int
    sent: float = 0.0
    answered: float = 0.0
    error: str = ""
    committed: float | None = None


class Hand:
    """Whoever taps: the pages' own form, sent as a browser sends it."""

    def __init__(self, address: Address, origin: str) -> None:
        self._client = Client(address)
        self._origin = origin

    async def withdraw(self, subject: int, session: str) -> Click:
        """Tap *Stop recording* once, as the person whose session it is."""
        csrf = "".join(secrets.choice(string.ascii_letters) for _ in range(CSRF_LENGTH))
        cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: csrf}
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self._origin,
        }
        form = urlencode({"csrfmiddlewaretoken": csrf}).encode()
        click = Click(subject, sent=time.monotonic())
        try:
            answer = await self._client.ask(
                "POST", reverse("you-stop"), headers, form, patience=PATIENCE
            )
        except NoAnswer as nothing:
            click.error = nothing.kind
        else:
            signed_in = answer.headers.get("location") == reverse("you-home")
            if answer.status != 302 or not signed_in:
                click.error = f"status_{answer.status}"
        click.answered = time.monotonic()
        return click

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def find_commits(clicks: Iterable[Click]) -> bool:
    """Write down when each withdrawal was committed; return whether to the instant.

    Where PostgreSQL keeps no times of commits it is when the transaction began, which is earlier:
    what is counted from there is rather too long than too short.
    """
    clicks = list(clicks)
    with connection.cursor() as cursor:
        cursor.execute("SHOW track_commit_timestamp")
        exact: bool = cursor.fetchone()[0] == "on"
        before = time.monotonic()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        # The database's clock minus ours, as of the middle of the question.
        ahead = cursor.fetchone()[0] - (before + time.monotonic()) / 2
        first = min((click.sent for click in clicks), default=before)
        instant = "pg_xact_commit_timestamp(xmin)" if exact else "recorded_at"
        cursor.execute(
            COMMITTED.format(instant=instant),
            [[click.subject for click in clicks], first + ahead - 1],
        )
        found = dict(cursor.fetchall())
    for click in clicks:
        if click.subject in found:
            click.committed = found[click.subject] - ahead
    return exact
