"""The short way to an answer: for a poll to which nothing is new, as nearly all are.

Decides nothing of its own. Where this process remembers what stands for a holder, and under which
nonces, one question to Redis settles whether it still does; the answer is then the one that
`answer` gives. In every other case the poll is answered in full, as if this way did not exist.
No coroutine, no task, no future for each: it costs a third of that way.
"""

import time
from abc import abstractmethod
from hashlib import sha256
from time import monotonic

from portal.endpoint import record
from portal.endpoint.answer import Known, Wake, wished
from portal.endpoint.source import Shared
from portal.endpoint.standing import Kept
from portal.endpoint.together import Values
from portal.endpoint.turns import Turn, Turns
from portal.endpoint.waiting import Waiter
from portal.endpoint.wire import Wire


class ShortPoll(Waiter):
    """A poll on the short way; whoever serves it says what to do with what comes of it.

    One object serves all polls of a connection, one after the other.
    """

    __slots__ = (
        "asked",
        "digest",
        "granted",
        "kept",
        "named",
        "places",
        "shortcut",
        "wanted",
        "wire",
    )

    # Set when it begins, as is what a waiter knows: every poll comes by there.
    places: tuple[int, ...]
    wire: Wire
    kept: Kept
    asked: float
    digest: bytes
    named: bytes | None
    wanted: int

    def __init__(self) -> None:
        super().__init__()
        self.shortcut: Shortcut | None = None
        self.granted = 0

    @abstractmethod
    def is_over(self) -> bool:
        """Return whether nobody wants the answer any more."""

    @abstractmethod
    def stands(self, named: bytes, granted: int) -> None:
        """Answer that the named policy is in force (304); `granted`: the seconds it had to wait."""

    @abstractmethod
    def brings(self, etag: str, body: bytes, granted: int) -> None:
        """Answer with the signed policy (200)."""

    @abstractmethod
    def has_changed(self, pause: int) -> None:
        """Answer that something changed while it waited."""

    @abstractmethod
    def in_full(self, granted: int) -> None:
        """Answer by the long way; the poll is counted, and has had its wait if any was granted."""

    def told(self, values: Values | None) -> None:
        """Hear what stands in Redis."""
        if not self.is_over() and self.shortcut is not None:
            self.shortcut.settle(self, values)

    def over(self, wake: Wake) -> None:
        """Go on after the wait."""
        if self.is_over() or self.shortcut is None:
            return
        if wake.changed:
            self.has_changed(wake.pause)
        else:
            self.granted, self.wanted = self.wanted, 0
            self.shortcut.ask_again(self)


class Shortcut:
    """Takes the polls of one event loop that can be settled by one question to Redis."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._turns = Turns(shared.standing, self.settle_all)

    def take(
        self,
        poll: ShortPoll,
        token: bytes,
        named: bytes | None,
        prefer: bytes | None,
        data: bytes = b"",
    ) -> bool:
        """Return whether the poll goes this way; if not, it is as if it had not been offered.

        `data`: all of the poll, where it was recognised: the next one may be the same.
        """
        shared = self._shared
        digest = sha256(token).digest()
        kept = shared.kept.get(digest)
        if kept is None or kept.nonces is None or (named is not None and named != kept.tag):
            return False
        # One that asks to wait, or names nothing, is read anew: it is not what comes in crowds.
        if data and named is not None and prefer is None:
            shared.recognise(data, digest, kept)
        return self.begin(poll, kept, digest, named, prefer)

    def known(self, data: bytes) -> Kept | None:
        """Return what is kept of who sent this very poll before; None for any other."""
        kept = self._shared.polls.get(data)
        return kept if kept and self._shared.kept.get(kept.digest) is kept else None

    def begin(
        self,
        poll: ShortPoll,
        kept: Kept,
        digest: bytes,
        named: bytes | None,
        prefer: bytes | None = None,
    ) -> bool:
        """Ask whether what is kept stands; return False where the poll does not go this way."""
        shared = self._shared
        wire, now = shared.watch.usable(), monotonic()
        if wire is None or kept.bucket.take(now):
            return False  # one too many is counted by nobody, and refused by the long way
        # What it waits with is looked up when it waits: what is kept of another hundred thousand
        # is in no processor's cache.
        poll.epoch, poll.shortcut = shared.watch.epoch, self
        poll.wire, poll.kept, poll.asked = wire, kept, now
        poll.digest, poll.named, poll.granted = digest, named, 0
        poll.wanted = wished(prefer.decode("latin-1")) if prefer else 0
        self._ask(poll, kept, wire)
        return True

    def ask_again(self, poll: ShortPoll) -> None:
        """Ask once more what stands, after a wait."""
        wire = self._shared.watch.usable()
        kept = poll.kept
        if wire is None or self._shared.watch.epoch != poll.epoch:
            poll.in_full(poll.granted)
            return
        poll.wire, poll.asked = wire, monotonic()
        self._ask(poll, kept, wire)

    def leave(self, poll: ShortPoll) -> None:
        """Forget a poll that nobody waits for any more."""
        self._shared.room.leave(poll)

    def settle(self, poll: ShortPoll, values: Values | None) -> None:
        """Answer if what was remembered stands; else leave the poll to the long way."""
        kept = poll.kept
        now = time.time()
        if values is None or not self._stands(poll, values) or not kept.is_in_force(now):
            poll.in_full(poll.granted)
        elif poll.named is None:
            self._bring(poll, kept.known, values)
        elif not (poll.wanted and self._hold(poll, now)):
            poll.stands(poll.named, poll.granted)

    def settle_all(self, turn: Turn[ShortPoll], has_heard: bool) -> None:  # noqa: FBT001
        """Answer the polls of which what was remembered stands; leave the others to the long way.

        `has_heard`: whether all that was marked before they came in is heard.
        """
        watch, standing, now = self._shared.watch, self._shared.standing, time.time()
        is_good = has_heard and watch.usable() is turn.wire and watch.epoch == turn.epoch
        for poll in turn.polls:
            if poll.is_over():
                continue
            kept = poll.kept
            if not (is_good and standing.holds(kept) and kept.is_in_force(now)):
                poll.in_full(poll.granted)
            elif not (poll.wanted and self._hold(poll, now)):
                poll.stands(kept.tag, poll.granted)

    def _ask(self, poll: ShortPoll, kept: Kept, wire: Wire) -> None:
        """Ask for no more than is needed: who has what was verified, only whether that stands."""
        shared, known, epoch = self._shared, kept.known, poll.epoch
        if poll.named is not None and shared.standing.holds(kept):
            self._turns.ask(poll, wire, epoch)
            return
        wanted = [*record.nonce_keys(epoch, known.subject, known.cohort), record.tally_key(epoch)]
        if poll.named is None:
            wanted += record.record_key(epoch, poll.digest), record.body_key(epoch, poll.digest)
        shared.together.ask(poll, wire, epoch, wanted)

    def _stands(self, poll: ShortPoll, values: Values) -> bool:
        """Return whether both nonces are those it was kept under, and Redis may be believed now."""
        (subject, cohort, tally, *_), watch = poll.places, self._shared.watch
        kept, wire = poll.kept, poll.wire
        if (
            kept.nonces != (values[subject], values[cohort])
            or watch.usable() is not wire
            or watch.epoch != poll.epoch
        ):
            return False
        self._shared.standing.note(kept, wire, poll.epoch, values[tally])
        return True

    def _hold(self, poll: ShortPoll, now: float) -> bool:
        """Let it wait for a change; False where there is no space."""
        shared, known = self._shared, poll.kept.known
        poll.knows(known, poll.epoch, poll.kept.nonces)
        poll.wanted = min(poll.wanted, shared.offer)
        if not poll.wanted:
            return False
        seconds = min(poll.wanted, known.fresh_until - now)
        return shared.room.enter(poll, asked=poll.asked, seconds=seconds)

    def _bring(self, poll: ShortPoll, known: Known, values: Values) -> None:
        """Answer with the signed policy, where Redis has it and it is still the newest."""
        of_record, of_body = poll.places[3:]
        body = record.signed(values[of_body], known.version)
        if body is None or not record.is_of(values[of_record], known.etag):
            poll.in_full(poll.granted)
        else:
            poll.brings(known.etag, body, poll.granted)
