"""The agent: fetches its policy, obeys it, and hands in what the policy lets it keep.

Not obeying is never a choice made here: whatever cannot be verified ends capture.
"""

import math
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sayso_agent import credentials
from sayso_agent.acknowledging import Acknowledging
from sayso_agent.asking import Fetched, fetch, portal_of
from sayso_agent.capture import Rules
from sayso_agent.credentials import Gained
from sayso_agent.errors import (
    AgentError,
    PolicyRefusedError,
    StandingError,
    StateError,
    StorageError,
    UnreachableError,
)
from sayso_agent.folder import default_folder
from sayso_agent.home import Home
from sayso_agent.identity import Identity
from sayso_agent.jws import b64url
from sayso_agent.keyring import Keyring
from sayso_agent.lease import Clock, Instant, KeptClock, Lease, SystemClock
from sayso_agent.machine import account
from sayso_agent.obeying import Obeying
from sayso_agent.policy import Policy
from sayso_agent.report import tell_strike, try_report
from sayso_agent.trust import Expected, accept
from sayso_agent.upload import Bandwidth, Release, Uploaded, Uploader, rfc3339

LONGEST_SPOOLED: Final = 72 * 3600


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the portal has yet to hear of a version, and whether all that it denies is gone."""

    version: int
    applied_at: str
    purged: bool


class Agent(Obeying):
    """One enrolled agent. Use it from one thread."""

    def __init__(self, folder: Path | None = None, *, clock: Clock | None = None) -> None:
        home = Home(folder or default_folder())
        try:
            self.identity = home.identity()
        except StateError:
            home.spool.destroy()  # as nobody's it could never be handed in, nor called back
            raise
        # As another account than the enrolled one, a service say, we see everybody's sessions.
        own = self.identity.account == account()
        super().__init__(home, clock or SystemClock(), own_account=own)
        self.portal = portal_of(self.identity)
        self.keyring = Keyring(self.home, self.clock)
        self.bandwidth = Bandwidth()
        self.uploader = Uploader(self.home.spool, self.portal, self.may_send, self.bandwidth)
        self.etag = ""
        self.wait = 0.0
        self.uploaded = Uploaded()
        self.acknowledging = Acknowledging()
        self._token = ""
        self._lease: Lease | None = None

    def change_token(self) -> Identity:
        """Ask for a new token and go over to it; return who we are now.

        Whatever fails, the token we have stays. See `go_over`.
        """
        return self.go_over(credentials.ask_token(self.home, self.portal))

    def change_key(self, kind: str = "") -> Identity:
        """Go over to a new key of our own, and to a new token; return who we are now."""
        self.portal.token = self.home.identity().token
        return self.go_over(credentials.ask_key(self.home, self.portal, kind=kind))

    def go_over(self, gained: Gained | None) -> Identity:
        """Go over to what the portal gave; None for what another process of ours went over to.

        To be called while nothing of ours is asking: what is asked with the old token after the
        new one was used looks like a copy of us.
        """
        self.identity = credentials.keep(self.home, self.clock, gained)
        self.portal.token = self.identity.token
        return self.identity

    # --- policy --------------------------------------------------------------------------------

    def poll(self) -> Policy | None:
        """Fetch the policy, apply it and acknowledge it; return it.

        PolicyRefusedError and UnexpectedAnswerError leave nothing allowed. UnreachableError
        leaves what stood, until its lease ends. StandingError ends capture; see `stop`.
        """
        try:
            fetched = fetch(self.portal, self.clock, etag=self.etag)
            if fetched.answer.token is not None:
                self.keyring.provide(self.portal, fetched.answer.token)
        except AgentError as error:
            self.failed(error)
            raise
        self.apply(fetched)
        return self.policy

    def apply(self, fetched: Fetched) -> None:
        """Go over to what a poll brought, purge what it no longer allows, acknowledge."""
        self.obey(fetched)
        self.acknowledge()

    def obey(self, fetched: Fetched) -> None:
        """Go over to what a poll brought and purge what it no longer allows."""
        try:
            if fetched.answer.token is not None:
                self._apply_document(fetched, fetched.answer.token)
        except AgentError as error:
            self.failed(error)
            raise
        self._resume()
        if self.rules is not None:  # else a 304 could not revive it: ask for the whole
            self.etag = fetched.answer.etag
        self.wait = fetched.answer.wait

    def _resume(self) -> None:
        """End the pause here if the policy in force proves that the person has ended it.

        Looked at after each poll, whatever it brought: the portal may have said only just now that
        it had heard of the pause before.
        """
        policy = self.policy
        if policy is not None and not policy.paused and self.home.paused():
            self.home.resumed(version=policy.version)

    def failed(self, error: AgentError) -> None:
        """Take the consequence of a failed poll."""
        match error:
            case StandingError():
                self.stop(error)
            case UnreachableError():
                pass  # our lease still says how long the last policy may be obeyed
            case _:
                self.deny(error.code)

    def stop(self, error: StandingError) -> None:
        """End capture: the portal no longer serves us. 403 and 410 take the spool with them."""
        self.deny(error.code)
        self.home.keep_turned_away(error)
        if error.purges:
            self.home.spool.destroy()

    def _apply_document(self, fetched: Fetched, token: str) -> None:
        if token == self._token and self.rules is not None:
            return  # the same document again gives no new time
        manifest = self.keyring.known()  # whoever fetched it has looked it up
        seen = self.home.seen()
        expected = Expected(self.identity.issuer, self.identity.agent, seen.version)
        policy = accept(token, manifest, expected, wall=fetched.received.wall)
        lease = self._lease_of(policy, fetched)  # by what was seen before this one
        # Remembered before it is obeyed: after a crash here an older one is refused all the same.
        self.home.saw(policy.version)
        if not lease.in_force(self.clock.now()):
            raise PolicyRefusedError("lease_ended", "the policy's lease had ended when it came")
        self._lease = lease
        if allowed := [(p, app, s) for p, app, signals in policy.permitted() for s in signals]:
            self._before = allowed
        self.home.save_clock(_kept(lease, fetched.received))  # before the first stamp by it
        self.capture.change(Rules(policy, lease), self.clock.now())
        self.home.spool.close()
        self.home.spool.purge(
            lambda slot, r: policy.keeps(slot.purpose, slot.app, r.signal, r.stamp, r.visible),
            part=lambda record: policy.strikes.side(record.stamp),
        )
        self._token = token
        self.denied = ""
        self.home.save_policy(token, {kid: b64url(raw) for kid, raw in manifest.usable().items()})

    def _lease_of(self, policy: Policy, fetched: Fetched) -> Lease:
        """Return the lease, which goes on from the last one even if that one has ended."""
        asked, received = fetched.asked.monotonic, fetched.received.monotonic
        answered = fetched.answer.answered
        if self._lease is not None:
            return self._lease.renewed(policy, asked=asked, received=received, answered=answered)
        lease = Lease.begin(policy, asked=asked, received=received, answered=answered)
        kept, boot = self.home.clock(), fetched.received.boot
        if kept is None:
            return lease.following(None)
        if kept.issued_at != lease.issued_at:
            return lease
        return lease.following(kept.base if boot and kept.boot == boot else None)

    def deny(self, reason: str) -> None:
        """Allow nothing from now on, and ask for the whole document next time."""
        super().deny(reason)
        if reason == "policy_version_old":
            self.keyring.look_soon()  # the root may have let versions count anew
        self.etag = ""
        self._token = ""

    def acknowledge(self) -> None:
        """Tell the portal which version is obeyed, until it knows; not before it is due."""
        if (owed := self.owed()) is None:
            return
        try:
            self.portal.acknowledge(
                version=owed.version, applied_at=owed.applied_at, purged=owed.purged
            )
        except AgentError as error:
            self.acknowledged(owed, error)
        else:
            self.acknowledged(owed, None)

    def owed(self) -> Acknowledgement | None:
        """Return what the portal has yet to hear, if it is due."""
        rules, now = self.rules, self.clock.now()
        if rules is None or not self.acknowledging.due(rules.policy.version, now):
            return None
        version = rules.policy.version
        if self.home.seen().acknowledged >= version:  # told before we were started
            self.acknowledging.done(version)
            return None
        stamp = rules.lease.stamp(now)
        applied = rfc3339(stamp) if stamp is not None else datetime.now(UTC).isoformat()
        return Acknowledgement(version, applied, self._spool_is_clean())

    def acknowledged(self, owed: Acknowledgement, error: AgentError | None) -> None:
        """Take what came of telling it; StandingError where the portal no longer serves us."""
        if isinstance(error, StandingError):
            self.stop(error)
            raise error
        if error is not None or not owed.purged:  # it is told again until all it denies is gone
            wait = getattr(error, "retry_after", None)
            self.acknowledging.failed(self.clock.now(), retry_after=wait)
            return
        self.acknowledging.done(owed.version)
        with suppress(StorageError):  # the next process tells it again then, which is harmless
            self.home.acknowledged(owed.version)

    def _spool_is_clean(self) -> bool:
        """Return whether the spool holds nothing that the policy in force denies."""
        policy = self.policy
        return policy is not None and all(
            policy.keeps(s.slot.purpose, s.slot.app, r.signal, r.stamp, r.visible)
            for s in self.home.spool.segments()
            for r in s.records
        )

    # --- what the person does here ---------------------------------------------------------------

    def pause(self) -> bool:
        """Stop capture at once, then tell the portal; return whether it could be told."""
        with suppress(StorageError):
            self.home.pause()
        if not self.home.paused():
            self.deny("paused_here")
            self.portal.pause(str(uuid.uuid4()))  # nothing here can tell of it later
            return True
        return try_report(self.home, self.portal)

    def forget(self, *, minutes: float) -> int:
        """Drop what was recorded in the last minutes, tell the portal; return how many went."""
        now = self.clock.now()
        gone = self.capture.forget_since(now.earlier(minutes * 60))
        with self.home.spool.held():
            done = self.home.forget(minutes=minutes, now=now)
            self.following.done()
        if not done.kept:
            tell_strike(self.portal, done.strike)
        try_report(self.home, self.portal)
        return gone + done.gone

    # --- batches -------------------------------------------------------------------------------

    def upload(self, *, older_than: float | None = None) -> Uploaded:
        """Hand in what is spooled; with `older_than` only what was begun before that wall time.

        What is under embargo stays, and so does what would go beyond the bandwidth.
        """
        self.prepare_upload(older_than=older_than)
        try:
            done = self.uploader.send_closed(self.release())
        except StandingError as error:
            self.stop(error)
            raise
        self.count_uploaded(done)
        return done

    def prepare_upload(self, *, older_than: float | None = None) -> None:
        """Write what waits, close what is to be handed in, drop what is too old for it."""
        self.flush()
        self.following.follow()
        self.home.spool.close(older_than=older_than)
        self.drop_outdated()

    def count_uploaded(self, done: Uploaded) -> None:
        """Add what became of a round of batches to what is shown."""
        self.uploaded.admitted += done.admitted
        self.uploaded.events += done.events
        self.uploaded.refused += done.refused

    def drop_outdated(self) -> None:
        """Drop what could not be handed in for too long, with a policy in force or without."""
        policy = self.policy
        longest = policy.limits.spool_seconds if policy else LONGEST_SPOOLED
        limit = self.clock.now().wall - min(longest, LONGEST_SPOOLED)
        self.capture.dropped["outdated"] += self.home.spool.purge(lambda _, r: r.wall >= limit)
        self.capture.dropped["spool_damaged"] += self.home.spool.take_lost()
        self.capture.dropped += Counter()  # forget zeros

    def release(self) -> Release:
        """Return up to which moment of capture, and how fast, batches may leave now."""
        now, rules = self.clock.now(), self.rules
        if rules is None:
            return Release(until=0.0, bytes_per_second=1, now=now.monotonic)
        policy = rules.policy
        # No stamp: one may not be had yet, where it could be one that was given before.
        passed = rules.lease.portal_time(now) - policy.embargo
        return Release(
            until=passed if policy.embargo else math.inf,
            bytes_per_second=policy.limits.bytes_per_second,
            now=now.monotonic,
            elsewhere=policy.uploads,
        )

    def close(self) -> None:
        """Close the connections to the portal and to where it has bytes put."""
        self.portal.transport.close()
        self.uploader.close()


def _kept(lease: Lease, received: Instant) -> KeptClock:
    """Return what other processes of this agent must know of the time under a lease."""
    portal = lease.issued_at + received.monotonic - lease.base
    return KeptClock(portal - received.wall, lease.issued_at, lease.base, received.boot)
