"""Changes to purposes: published, given other terms, retired, asked for again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

from audit.ledger import Actor
from consent.exceptions import NoticeNeeded
from consent.models import Purpose
from consent.services.changes.given import Given
from consent.services.changes.kind import Ask, Change, Payload, Reach, Standing, purpose_of
from consent.services.changes.notices import NoticePublish, texts_of
from consent.services.publishing import publish_purpose
from consent.services.purposes import (
    change_purpose,
    needs_notice,
    reopen_purpose,
    retire_purpose,
)

TITLE, DESCRIPTION, MOST_DAYS = 120, 4000, 365


@dataclass(frozen=True)
class PurposePublish(Change):
    """A purpose that nobody knew; it asks for nothing before it has apps and a notice."""

    kind: ClassVar[str] = "purpose.publish"

    code: str
    title: str
    description: str
    retention_days: int
    position: int

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read it."""
        return cls(
            code=given.code("code"),
            title=given.text("title", longest=TITLE),
            description=given.text("description", longest=DESCRIPTION),
            retention_days=given.whole("retention_days", least=1, most=MOST_DAYS),
            position=given.whole("position", least=0, most=9999),
        )

    def check(self) -> None:
        """Refuse a code that is taken."""
        if Purpose.objects.filter(code=self.code).exists():
            Given({}).refuse("code", "is taken by another purpose")

    def standing(self) -> Standing:
        """Return the purpose's terms, all of them null where there is none."""
        purpose = Purpose.objects.filter(code=self.code).first()
        terms = ("title", "description", "retention_days", "position")
        return {
            **{name: getattr(purpose, name, None) for name in terms},
            "published": bool(purpose and purpose.published_at),
        }

    def tightens(self) -> bool:
        """Say no: there is one thing more to ask for."""
        return False

    def reach(self) -> Reach:
        """Return the purpose, everywhere."""
        return Reach(purposes=frozenset({self.code}))

    def ask(self) -> Ask:
        """Return the purpose itself and how long it would keep."""
        return Ask(self.code, retention_days=self.retention_days)

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Publish it."""
        publish_purpose(
            code=self.code,
            title=self.title,
            description=self.description,
            retention_days=self.retention_days,
            position=self.position,
            actor=actor,
            at=at,
        )

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Retire it: what was published cannot be unpublished."""
        return PurposeRetire.kind, {"purpose": self.code}


@dataclass(frozen=True)
class PurposeChange(Change):
    """Other terms of a purpose; a shorter retention alone tightens.

    All others need the next version of its notice, if it has one: nobody said yes to them.
    """

    kind: ClassVar[str] = "purpose.change"

    purpose: str
    terms: tuple[tuple[str, str | int], ...]
    notice: NoticePublish | None

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the terms that are named, at least one, and the notice's next texts, if any."""
        purpose = given.code("purpose")
        terms = tuple(_terms(given))
        notice = NoticePublish(purpose, texts_of(given)) if given.has("texts") else None
        given.finish()
        if not terms:
            given.refuse("", "changes neither title, description nor retention_days")
        return cls(purpose, terms, notice)

    def check(self) -> None:
        """Refuse other terms that people would not be told, with NoticeNeeded."""
        super().check()
        if self.notice:
            self.notice.check()
        elif needs_notice(purpose_of(self.purpose), dict(self.terms)):
            raise NoticeNeeded

    def standing(self) -> Standing:
        """Return the same terms as they stand, and the notice where that changes, too."""
        purpose = purpose_of(self.purpose)
        terms = {name: getattr(purpose, name) for name, _ in self.terms}
        return {**terms, "notice": self.notice.standing()} if self.notice else terms

    def tightens(self) -> bool:
        """Say whether all it does is keep more shortly."""
        shorter = self._days() is not None and not self._longer()
        return shorter and len(self.terms) == 1 and self.notice is None

    def reach(self) -> Reach:
        """Return the purpose, everywhere."""
        return Reach(purposes=frozenset({self.purpose}))

    def ask(self) -> Ask | None:
        """Return a longer retention; other terms let nothing more be recorded."""
        return Ask(self.purpose, retention_days=self._days()) if self._longer() else None

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Change the terms."""
        purpose = purpose_of(self.purpose)
        texts = self.notice.by_language() if self.notice else None
        change_purpose(purpose=purpose, fields=dict(self.terms), texts=texts, actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Give the terms that stood before; people are told and asked anew where that needs it.

        The texts are those of then; where none had come along, those in force once more.
        """
        terms = {name: value for name, value in before.items() if name != "notice"}
        payload: Payload = {"purpose": self.purpose, **terms}
        if needs_notice(purpose_of(self.purpose), terms):
            notice = before.get("notice") or NoticePublish(self.purpose, ()).standing()
            payload["texts"] = notice["texts"]
        return self.kind, payload

    def _days(self) -> int | None:
        days = dict(self.terms).get("retention_days")
        return days if isinstance(days, int) else None

    def _longer(self) -> bool:
        days = self._days()
        return days is not None and days > purpose_of(self.purpose).retention_days


@dataclass(frozen=True)
class PurposeRetire(Change):
    """A purpose that asks nobody any more and records nothing."""

    kind: ClassVar[str] = "purpose.retire"

    purpose: str

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the purpose's code."""
        return cls(given.code("purpose"))

    def standing(self) -> Standing:
        """Return whether it is published."""
        return {"published": purpose_of(self.purpose).published_at is not None}

    def tightens(self) -> bool:
        """Say yes."""
        return True

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Retire it."""
        retire_purpose(purpose=purpose_of(self.purpose), actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Ask for it again."""
        return PurposeReopen.kind, {"purpose": self.purpose}


@dataclass(frozen=True)
class PurposeReopen(Change):
    """A retired purpose that asks again: who still says yes is recorded again."""

    kind: ClassVar[str] = "purpose.reopen"

    purpose: str

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the purpose's code."""
        return cls(given.code("purpose"))

    def standing(self) -> Standing:
        """Return whether it is published."""
        return {"published": purpose_of(self.purpose).published_at is not None}

    def tightens(self) -> bool:
        """Say no."""
        return False

    def reach(self) -> Reach:
        """Return the purpose, everywhere."""
        return Reach(purposes=frozenset({self.purpose}))

    def ask(self) -> Ask:
        """Return the purpose and how long it keeps."""
        purpose = purpose_of(self.purpose)
        return Ask(purpose.code, retention_days=purpose.retention_days)

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Publish it again as it was."""
        reopen_purpose(purpose=purpose_of(self.purpose), actor=actor, at=at)

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Retire it once more."""
        return PurposeRetire.kind, {"purpose": self.purpose}


def _terms(given: Given) -> Iterator[tuple[str, str | int]]:
    if given.has("title"):
        yield "title", given.text("title", longest=TITLE)
    if given.has("description"):
        yield "description", given.text("description", longest=DESCRIPTION)
    if given.has("retention_days"):
        yield "retention_days", given.whole("retention_days", least=1, most=MOST_DAYS)
