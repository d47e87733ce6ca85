"""The running agent: one loop that captures; threads that poll, that send, that read events."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from sayso_agent.agent import Acknowledgement, Agent
from sayso_agent.asking import Fetched, Poller
from sayso_agent.bell import Bell
from sayso_agent.errors import (
    AgentError,
    PolicyChangedError,
    StandingError,
    StateError,
    StorageError,
    UnreachableError,
)
from sayso_agent.reader import Item, Reader
from sayso_agent.rebase import rebased
from sayso_agent.renewal import Renewal
from sayso_agent.report import pending, try_report
from sayso_agent.rhythm import Rhythm
from sayso_agent.sending import Done, Job, Sender
from sayso_agent.shown import Shown
from sayso_agent.state import StateCommand
from sayso_agent.transport import Backoff

TURN: Final = 0.5
"""How often we look at what another process left in the folder; all else wakes us at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the agent does what, in seconds. `poll` None follows the policy."""

    poll: float | None = None
    upload: float = 300.0


@dataclass(frozen=True, slots=True)
class Recording:
    """Input that is complete already, and whether its times are to be moved to now."""

    items: Iterable[Item]
    rebase: bool = False


@dataclass(slots=True)
class Runner:
    """The loop of `sayso-agent run`."""

    agent: Agent
    say: Callable[[str], None]
    pace: Pace = field(default_factory=Pace)
    state_command: StateCommand | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    bell: Bell = field(default_factory=Bell)
    shown: Shown = field(init=False)
    renewal: Renewal = field(init=False)
    _asked: float = 0.0
    _next_poll: float = 0.0
    _next_upload: float = 0.0
    _next_report: float = 0.0
    _sender: Sender | None = None
    _was_changed: bool = False
    _rhythm: Rhythm = field(default_factory=Rhythm)
    _backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, longest=30.0))
    _report_backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, longest=60.0))
    _upload_backoff: Backoff = field(default_factory=lambda: Backoff(first=2.0, longest=300.0))

    def __post_init__(self) -> None:
        self.shown = Shown(self.agent, self.say, self.state_command)
        self.renewal = Renewal(self.agent)

    def stop(self) -> None:
        """End the loop, from another thread or a signal's handler."""
        self.stopping.set()
        self.bell.ring()

    def serve(
        self, *, live: Iterable[Item] | None = None, recording: Recording | None = None
    ) -> None:
        """Run until told to stop, or until the portal no longer serves us (StandingError).

        What happens `live` is read at once, and lost while nothing may be captured. A
        `recording` is taken whole as soon as something may be.
        """
        agent = self.agent
        poller = Poller(agent.identity, agent.keyring, agent.clock, self.bell)
        sender = self._sender = Sender(agent, self.bell)
        reader = Reader(live, agent.clock, self.bell) if live is not None else None
        try:
            while not self.stopping.is_set():
                self._poll(poller)
                if recording is not None and agent.recordable():
                    self.take(recording)
                    recording = None
                self._capture(reader, poller)
                self._follow_forget()
                self._send(sender)
                self.shown.show()
        finally:
            sender.break_off()
            agent.settle()
            poller.close()
            sender.close()
            self._sender = None

    def once(self, recording: Recording | None = None) -> None:
        """Poll, take all input, hand it in. UnreachableError if the portal could not be had.

        First of all the portal hears what the person did here, as in `serve`: they could not
        resume in the browser what nobody there knows of.
        """
        agent = self.agent
        self.renewal.wait_for_it()
        try:
            try:
                try_report(agent.home, agent.portal)
                agent.poll()
            except StandingError as error:
                self._outlive(error)
                self.renewal.wait_for_it()
                try_report(agent.home, agent.portal)
                agent.poll()
            self.shown.show()
            if recording is not None and agent.recordable():
                self.take(recording)
            try:
                self._upload_patiently()
            except StandingError as error:
                self._outlive(error)
                self.renewal.wait_for_it()
                agent.poll()
                self._upload_patiently()
        finally:
            self.shown.show()

    def take(self, recording: Recording) -> None:
        """Offer every item now, with its own time or with all times moved to end now."""
        agent = self.agent
        rules = agent.rules
        if recording.rebase and rules is not None:
            items = list(recording.items)
            for item, happened in rebased(items, agent.clock.now(), rules.lease.since):
                agent.offer(item, happened=happened)
        else:
            for item in recording.items:
                agent.offer(item)
        agent.settle()

    # --- one turn ------------------------------------------------------------------------------

    def _poll(self, poller: Poller) -> None:
        """Take a poll's answer if there is one, start a poll if it is time."""
        agent = self.agent
        try:
            came = poller.answers.get_nowait()
        except queue.Empty:
            came = None
        if came is not None:
            poller.busy = False
            if self._sender and isinstance(came, (StandingError, PolicyChangedError)):
                self._sender.break_off()  # before anything else is done about it
            self._next_poll = time.monotonic() + self._took(came)
            self.bell.ring()  # what came of it is shown and told before we rest
        if poller.lacks_key_for() > TURN and agent.rules is not None:
            agent.deny("policy_key_unknown")  # what it says may be that we must stop
        if self.renewal.gained and not poller.busy and not (self._sender and self._sender.busy):
            self._go_over(poller)
        if not poller.busy and time.monotonic() >= self._next_poll:
            # Who was told of a change asks for the policy first, and then waits for the next one.
            waits = self.pace.poll is None and not self._was_changed
            self._asked = time.monotonic()
            poller.ask(agent.etag, agent.wait if waits else 0.0)

    # --- answers ---------------------------------------------------------------------------------

    def _took(self, came: Fetched | AgentError) -> float:
        """Apply an answer; return the seconds until the next poll."""
        agent = self.agent
        try:
            if isinstance(came, AgentError):
                agent.failed(came)
                raise came
            agent.obey(came)  # the sender acknowledges it
        except StandingError as error:
            self._outlive(error)
            return 1.0
        except PolicyChangedError as error:
            self._rhythm.told_of_change(time.monotonic() - self._asked)
            # At once, or when we are told to; not again and again where nothing else is said.
            first, self._was_changed = not self._was_changed, True
            pause = error.retry_after
            return (pause or 0.0) if first else self._backoff.failed(retry_after=pause)
        except UnreachableError as error:
            return self._backoff.failed(retry_after=error.retry_after)
        except AgentError:
            return self._backoff.failed()
        self._was_changed = False
        self._backoff.succeeded()
        return self._interval(came)

    def _outlive(self, error: StandingError, *, renewable: bool = True) -> None:
        """Raise what ends us; of a token that ended our key brings another."""
        self.shown.show()
        if not (renewable and self.renewal.outlives(error)):
            raise error

    def _go_over(self, poller: Poller) -> None:
        if token := self.renewal.go_over():
            poller.use(token)
            if self._sender:
                self._sender.use(token)
            self._next_poll = 0.0

    def _interval(self, came: Fetched) -> float:
        """Return the seconds to the next poll."""
        if self.pace.poll is not None:
            return self.pace.poll
        policy = self.agent.policy
        usual = float(policy.poll_after) if policy else 5.0
        return self._rhythm.pause(came, offered=self.agent.wait, poll_after=usual)

    def _capture(self, reader: Reader | None, poller: Poller) -> None:
        agent = self.agent
        if not (reader and reader.waiting()) and poller.answers.empty():
            self.bell.wait(self._rest(poller))
        if reader and reader.done():
            if reader.failure:
                raise reader.failure
        elif reader:
            for item, happened in reader.take():
                agent.capture.offer(item, happened, agent.clock.now())
                if not poller.answers.empty() or self.stopping.is_set():
                    break  # a new policy comes before the next event
            if reader.done():
                agent.capture.settle(agent.clock.now())
        agent.flush()

    def _rest(self, poller: Poller) -> float:
        """Return how long nothing is due, where nothing comes."""
        due = [] if poller.busy else [self._next_poll]
        sends = bool(self.renewal.gained or (self._sender and self._sender.busy))
        if self.agent.rules is not None and not sends:  # else its end wakes us
            due.append(self._next_upload)
        return min(TURN, max(min(due, default=TURN) - time.monotonic(), 0.0)) if due else TURN

    def _follow_forget(self) -> None:
        """Drop what another process was told to forget, also what we wrote while it did."""
        try:
            self.agent.following.follow()
        except StorageError as error:
            self.agent.deny(error.code)  # and once more at the next turn

    # --- what is sent --------------------------------------------------------------------------

    def _send(self, sender: Sender) -> None:
        """Take what came of the last job, break off what must stop, start what is due."""
        if (done := sender.take()) is not None:
            self._sent(done)
        if sender.busy:
            if self._must_stop(sender):
                sender.break_off()
        elif self.renewal.ended:  # nothing else would be heard
            if self.renewal.is_due():
                sender.renew(key=self.renewal.wants_key())
        elif self._report_is_due():
            sender.report()
        elif (owed := self._owed()) is not None:
            sender.acknowledge(owed)
        elif self.renewal.is_due():
            sender.renew(key=self.renewal.wants_key())
        elif self.renewal.gained:
            pass  # the next gap between two polls is for going over
        elif self.agent.keyring.is_time():
            sender.look()
        else:
            self._upload(sender)

    def _owed(self) -> Acknowledgement | None:
        try:
            return self.agent.owed()
        except StateError as error:  # nobody knows any more which version was the newest
            self.agent.deny(error.code)
            return None

    def _must_stop(self, sender: Sender) -> bool:
        """Return whether what is being handed in may not go on, or something else comes first."""
        if self._report_is_due() or not self.agent.may_send():
            return True
        return sender.holds_what_is_gone()

    def _report_is_due(self) -> bool:
        return time.monotonic() >= self._next_report and pending(self.agent.home)

    def _upload(self, sender: Sender) -> None:
        agent, now = self.agent, time.monotonic()
        if now < self._next_upload:
            return
        self._next_upload = now + min(self.pace.upload, 30.0)
        try:
            agent.prepare_upload(older_than=agent.clock.now().wall - self.pace.upload)
        except StorageError as error:
            agent.deny(error.code)
            return
        if agent.may_send() and agent.home.spool.closed():
            sender.hand_in(agent.release())

    def _sent(self, done: Done) -> None:
        """Take the consequence of what was told, or handed in, or could not be."""
        try:
            if isinstance(done.error, StandingError):
                self.agent.stop(done.error)
                raise done.error
            match done.job:
                case Job.RENEW:
                    if done.error is None:
                        self.renewal.gained.append(done.gained)
                    else:
                        self.renewal.failed(done.error)
                case Job.LOOK:
                    pass  # whatever came of it, the keyring knows
                case Job.REPORT:
                    self._reported(done.error)
                case Job.ACKNOWLEDGE:
                    if done.owed is not None:
                        self.agent.acknowledged(done.owed, done.error)
                case Job.UPLOAD:
                    self._handed_in(done)
        except StandingError as error:
            self._outlive(error, renewable=done.job is not Job.RENEW)

    def _reported(self, error: AgentError | None) -> None:
        if error is None:
            self._report_backoff.succeeded()
        else:
            self._next_report = time.monotonic() + self._report_backoff.failed()

    def _handed_in(self, done: Done) -> None:
        now = time.monotonic()
        if done.broken_off:
            self._next_upload = now + TURN
        elif done.error is not None:
            wait = getattr(done.error, "retry_after", None)
            self._next_upload = now + self._upload_backoff.failed(retry_after=wait)
        elif done.uploaded is not None:
            self.agent.count_uploaded(done.uploaded)
            self._upload_backoff.succeeded()
            if done.waits:
                self._next_upload = now + done.waits

    def _upload_patiently(self) -> None:
        """Hand in everything, with two more tries where the portal is in trouble."""
        for last in (False, False, True):
            try:
                self.agent.upload()
                while self.agent.uploader.waits and not self.stopping.is_set():
                    self.stopping.wait(self.agent.uploader.waits)
                    self.agent.upload()
            except UnreachableError as error:
                wait = self._upload_backoff.failed(retry_after=error.retry_after)
                if last or wait > 10:
                    raise
                self.stopping.wait(wait)
            else:
                return
