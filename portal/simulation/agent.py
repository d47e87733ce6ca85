"""One imaginary agent: polls as a real one does, obeys, and remembers until when it captured."""

import asyncio
import base64
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from portal.simulation.http import Address, Answer, Client, NoAnswer

POLICY: Final = "/api/v1/policy"
ACKNOWLEDGE: Final = "/api/v1/policy/ack"
JITTER: Final = 0.2
AT_ONCE: Final = (0.05, 0.5)
"""Between two long polls, as the agent we ship does."""
BACKOFF: Final = (1.0, 30.0)
CHANGED: Final = 409
"""Something changed while it waited: nothing is captured until the policy is asked for again."""
OVER: Final = {401: "token_unknown", 403: "agent_revoked", 410: "subject_erased"}


@dataclass
class Counts:
    """What all agents together met."""

    polls: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    stale: int = 0
    leases_ended: int = 0


@dataclass(frozen=True)
class Script:
    """What every agent of a run shares: where the portal is, its keys, what is counted."""

    address: Address
    keys: dict[str, Ed25519PublicKey]
    counts: Counts


class Refused(Exception):
    """A policy that an agent must not obey; says why in a word."""


@dataclass(slots=True)
class Lease:
    """What a policy came to: whether it allows anything, and until when."""

    version: int
    allows: bool
    ends: float
    """On the monotonic clock, counted from before the question."""
    poll_after: float


@dataclass(slots=True, eq=False)
class SimulatedAgent:
    """One agent. It would capture at every instant at which its policy allows something.

    So the last event it would have captured is the instant at which it stopped obeying: no real
    recorder can be worse.
    """

    ref: str
    token: str
    script: Script
    client: Client
    etag: str = ""
    lease: Lease | None = None
    confirmed: float = 0.0
    """When the portal last said, or confirmed, what this agent obeys."""
    stopped: float = 0.0
    """When it last stopped capturing; 0 if it never did."""
    ended_at: float = float("inf")
    """When the answer to its person's click was there: no answer asked for later may allow."""
    _acknowledged: int = 0
    """The last version that the portal took an acknowledgement of."""
    _failures: int = 0
    _offered: int = 0

    def captures(self, now: float) -> bool:
        """Return whether an event of this instant would be kept."""
        if self.lease is None or not self.lease.allows:
            return False
        if now < self.lease.ends:
            return True
        self.stopped = self.lease.ends
        self.lease = None
        self.script.counts.leases_ended += 1
        return False

    async def first(self) -> None:
        """Poll, without waiting for a change, until there is a policy."""
        while self.lease is None:
            pause = await self.poll(wait=0)
            if self.lease is None:
                await asyncio.sleep(pause)

    async def live(self) -> None:
        """Poll for ever."""
        wait, pause = 0, self._soon()
        while True:
            await asyncio.sleep(pause)
            pause = await self.poll(wait=wait)
            wait = self._offered

    async def poll(self, *, wait: int) -> float:
        """Ask once and obey the answer; return the seconds until the next question."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/policy+jwt"}
        if self.etag:
            headers["If-None-Match"] = self.etag
        if wait:
            headers["Prefer"] = f"wait={wait}"
        counts = self.script.counts
        counts.polls += 1
        asked = time.monotonic()
        try:
            answer = await self.client.ask("GET", POLICY, headers, patience=20.0 + wait)
        except NoAnswer as nothing:
            counts.errors[nothing.kind] += 1
            return self._back_off()
        counts.answers[answer.status] += 1
        try:
            return await self._obey(answer, asked, is_unheld=bool(wait) and _is_unheld(answer))
        except Refused as refused:
            counts.errors[str(refused)] += 1
            self._deny(time.monotonic())
            return self._back_off()

    async def _obey(self, answer: Answer, asked: float, *, is_unheld: bool) -> float:
        if answer.status == 200:
            self._apply(answer, asked)
        elif answer.status == 304 and self.etag:
            self._judge(asked)
            self.confirmed = time.monotonic()
        elif answer.status == CHANGED:
            self._deny(time.monotonic())
            return _retry_after(answer)
        else:
            return self._troubled(answer)
        await self._acknowledge()
        self._failures = 0
        self._offered = offered(answer.headers.get("policy-poll", ""))
        if self._offered and not is_unheld:
            return self._soon()
        usual = self.lease.poll_after if self.lease else 5.0
        return usual * random.uniform(1 - JITTER, 1)  # noqa: S311  no secret

    def _apply(self, answer: Answer, asked: float) -> None:
        document = opened(answer.body, self.script.keys)
        if document.get("aud") != self.ref:
            raise Refused("policy_of_another")
        if self.lease and document["version"] < self.lease.version:
            raise Refused("policy_older")
        now = time.monotonic()
        captured = self.captures(now)
        self.lease = Lease(
            version=document["version"],
            allows=bool(document["allow"]) and not document["paused"],
            ends=asked + document["lease_until"] - document["iat"],
            poll_after=float(document["poll_after"]),
        )
        self.etag = answer.headers.get("etag", "")
        self.confirmed = now
        if captured and not self.lease.allows:
            self.stopped = now
        self._judge(asked)

    def _judge(self, asked: float) -> None:
        """Count an answer that allows although it was asked for after the person had stopped."""
        if asked > self.ended_at and self.lease and self.lease.allows:
            self.script.counts.stale += 1

    def _deny(self, now: float) -> None:
        if self.captures(now):
            self.stopped = now
        self.lease, self.etag = None, ""

    def _troubled(self, answer: Answer) -> float:
        """Take the consequence of an answer that is no policy."""
        self.script.counts.errors[f"status_{answer.status}"] += 1
        if answer.status in OVER:
            self._deny(time.monotonic())
        return max(self._back_off(), _retry_after(answer))

    async def _acknowledge(self) -> None:
        """Tell what is obeyed, once per version; where that fails, again after the next poll."""
        if self.lease is None or self.lease.version <= self._acknowledged:
            return
        version = self.lease.version
        body = {
            "version": version,
            "applied_at": datetime.now(UTC).isoformat(),
            "purged": True,
        }
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            answer = await self.client.ask("POST", ACKNOWLEDGE, headers, json.dumps(body).encode())
        except NoAnswer as nothing:
            self.script.counts.errors[f"ack_{nothing.kind}"] += 1
            return
        if answer.status == 204:
            self._acknowledged = version
            self.script.counts.acknowledged += 1
        else:
            self.script.counts.errors[f"ack_status_{answer.status}"] += 1

    def _back_off(self) -> float:
        first, longest = BACKOFF
        ceiling = min(first * 2.0**self._failures, longest)
        self._failures = min(self._failures + 1, 30)
        return ceiling * random.uniform(0.5, 1)  # noqa: S311  no secret

    @staticmethod
    def _soon() -> float:
        return random.uniform(*AT_ONCE)  # noqa: S311  no secret


def opened(token: bytes, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Return what a signed policy says; raises Refused where it is not signed by the portal."""
    try:
        head, body, signature = token.split(b".")
        key = keys[json.loads(_raw(head))["kid"]]
        key.verify(_raw(signature), head + b"." + body)
        found: dict[str, Any] = json.loads(_raw(body))
    except (ValueError, KeyError, InvalidSignature):
        raise Refused("policy_not_signed") from None
    return found


def keys_of(key_set: bytes) -> dict[str, Ed25519PublicKey]:
    """Return the portal's public keys by their names; ValueError where it is no key set."""
    try:
        return {
            key["kid"]: Ed25519PublicKey.from_public_bytes(_raw(key["x"].encode()))
            for key in json.loads(key_set)["keys"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no key set") from error


def offered(policy_poll: str) -> int:
    """Return the seconds for which the portal would hold a poll; 0 if it would not."""
    for part in policy_poll.split(","):
        name, _, value = part.strip().partition("=")
        if name == "wait" and value.isdigit():
            return int(value)
    return 0


def _is_unheld(answer: Answer) -> bool:
    """Return whether a poll that was to be held brought nothing and was answered at once.

    Whoever asks again at once after that asks without end.
    """
    return answer.status == 304 and "preference-applied" not in answer.headers


def _retry_after(answer: Answer) -> float:
    """Return the seconds after which to ask again, 0 where the portal names none."""
    said = answer.headers.get("retry-after", "")
    return float(said[:6]) if said.isdigit() else 0.0


def _raw(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
