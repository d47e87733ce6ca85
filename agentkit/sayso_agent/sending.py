"""A thread that tells the portal things and hands in batches, beside the loop that obeys.

It has a connection of its own and can be broken off at any moment: a portal that takes bytes slowly
holds up no stop, no purge and no line about them.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial

from sayso_agent import credentials
from sayso_agent.agent import Acknowledgement, Agent
from sayso_agent.asking import portal_of
from sayso_agent.bell import Bell
from sayso_agent.credentials import Gained
from sayso_agent.errors import AgentError, UnexpectedAnswerError, storage_error
from sayso_agent.report import report
from sayso_agent.upload import Release, Uploaded, Uploader


class Job(Enum):
    """What there is to send."""

    LOOK = auto()
    RENEW = auto()
    REPORT = auto()
    ACKNOWLEDGE = auto()
    UPLOAD = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: the error, or nothing more to say, or what became of the batches."""

    job: Job
    error: AgentError | None = None
    owed: Acknowledgement | None = None  # what was to be acknowledged
    uploaded: Uploaded | None = None
    gained: Gained | None = None
    waits: float = 0.0  # seconds until the bandwidth lets the next batch go
    broken_off: bool = False


class Sender:
    """One job at a time. The loop gives it, takes what came of it, and breaks it off."""

    def __init__(self, agent: Agent, bell: Bell) -> None:
        self._home = agent.home
        self._following = agent.following
        self._keyring = agent.keyring
        self._in_force = agent.in_force
        self._is_halted = agent.is_halted
        self._bell = bell
        self._portal = portal_of(agent.identity)
        self._uploader = Uploader(agent.home.spool, self._portal, self._may_send, agent.bandwidth)
        self._broken_off = threading.Event()
        self._jobs: queue.Queue[tuple[Done, Callable[[], Done]] | None] = queue.Queue(1)
        self._done: queue.Queue[Done] = queue.Queue(1)
        self.busy: Job | None = None
        self._thread = threading.Thread(target=self._work, name="send", daemon=True)
        self._thread.start()

    # --- for the loop --------------------------------------------------------------------------

    def hand_in(self, release: Release) -> None:
        """Start to hand in what may leave."""
        self._start(Done(Job.UPLOAD), partial(self._hand_in, release))

    def renew(self, *, key: bool) -> None:
        """Start to ask for a new token, and with `key` for a new key of our own to be taken."""
        self._start(Done(Job.RENEW), partial(self._renew, key=key))

    def look(self) -> None:
        """Start to look at the portal's key manifest anew."""
        self._start(Done(Job.LOOK), self._look)

    def report(self) -> None:
        """Start to tell what the person did here."""
        self._start(Done(Job.REPORT), self._report)

    def acknowledge(self, owed: Acknowledgement) -> None:
        """Start to tell which version is obeyed."""
        told = Done(Job.ACKNOWLEDGE, owed=owed)
        self._start(told, partial(self._acknowledge, told, owed))

    def take(self) -> Done | None:
        """Return what came of the job, None while it is under way or where there was none."""
        try:
            done = self._done.get_nowait()
        except queue.Empty:
            return None
        self.busy = None
        return done

    def use(self, token: str) -> None:
        """Ask with this token from now on; only while it is not busy."""
        self._portal.token = token

    def holds_what_is_gone(self) -> bool:
        """Return whether the batch on its way was erased here meanwhile."""
        return self._uploader.holds_what_is_gone()

    def break_off(self) -> None:
        """Hand in no more; of what was not sent yet nothing is read or sent any more."""
        if self.busy is Job.UPLOAD:
            self._broken_off.set()
            self._portal.transport.break_off()
            self._uploader.break_off()

    def close(self) -> None:
        """End the thread and break off the job it may be in."""
        self._broken_off.set()
        self._portal.transport.end()
        self._uploader.break_off()
        self._jobs.put(None)
        self._thread.join(timeout=2)

    # --- in the thread -------------------------------------------------------------------------

    def _start(self, failed: Done, does: Callable[[], Done]) -> None:
        self.busy = failed.job
        self._broken_off.clear()
        self._portal.transport.go_on()
        self._jobs.put((failed, does))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            failed, does = job
            error: AgentError = UnexpectedAnswerError("sending_failed", "sending has failed")
            done = None
            try:
                done = does()
            except AgentError as known:
                error = known
            except OSError as known:
                error = storage_error(known)
            finally:
                broken_off = self._broken_off.is_set()
                self._done.put(done or replace(failed, error=error, broken_off=broken_off))
                self._bell.ring()
        self._uploader.close()
        self._portal.transport.close()

    def _hand_in(self, release: Release) -> Done:
        uploaded = self._uploader.send_closed(release)
        return Done(Job.UPLOAD, uploaded=uploaded, waits=self._uploader.waits)

    def _look(self) -> Done:
        self._keyring.look(self._portal)
        return Done(Job.LOOK)

    def _renew(self, *, key: bool) -> Done:
        ask = credentials.ask_key if key else credentials.ask_token
        return Done(Job.RENEW, gained=ask(self._home, self._portal))

    def _report(self) -> Done:
        report(self._home, self._portal)
        return Done(Job.REPORT)

    def _acknowledge(self, told: Done, owed: Acknowledgement) -> Done:
        self._portal.acknowledge(
            version=owed.version, applied_at=owed.applied_at, purged=owed.purged
        )
        return told

    def _may_send(self) -> bool:
        """Also for a lease that ends while bytes are on their way, and the loop is busy."""
        if self._broken_off.is_set() or not self._in_force():
            return False
        return not self._is_halted() and not self._following.is_owed()
