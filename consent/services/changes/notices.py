"""Changes to notices: the next version of what people read before they answer."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Self

from audit.ledger import Actor
from consent import selectors
from consent.exceptions import CannotRevert, NoticeIncomplete
from consent.models import NoticeText
from consent.notices import REQUIRED_SECTIONS, missing_sections
from consent.services.changes.given import Given
from consent.services.changes.kind import Change, Payload, Reach, Standing, purpose_of
from consent.services.publishing import Texts, publish_notice

LANGUAGE: Final = re.compile(r"(?=.{2,12}$)[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
HEADING, SECTION = 200, 20_000
RETIRE: Final = "purpose.retire"
"""By its name alone: changes to purposes know those to notices."""

Text = tuple[str, str, tuple[tuple[str, str], ...]]
"""Language, heading, and the sections by their codes."""


@dataclass(frozen=True)
class NoticePublish(Change):
    """The next version in all its languages; earlier answers then need renewal.

    It narrows what runs today, and yet it counts as widening: it is what people will agree to.
    """

    kind: ClassVar[str] = "notice.publish"

    purpose: str
    texts: tuple[Text, ...]

    @classmethod
    def read(cls, given: Given) -> Self:
        """Read the texts: language -> title and sections."""
        return cls(given.code("purpose"), texts_of(given))

    def check(self) -> None:
        """Refuse a text without a section that some law asks for, with NoticeIncomplete."""
        super().check()
        for language, _, sections in self.texts:
            if missing := missing_sections(dict(sections)):
                raise NoticeIncomplete(f"{language}: {', '.join(missing)}")

    def standing(self) -> Standing:
        """Return the version in force with its texts; version 0 where there is none."""
        notice = selectors.current_notice(purpose_of(self.purpose))
        texts = NoticeText.objects.filter(notice=notice).order_by("language") if notice else []
        return {
            "version": notice.version if notice else 0,
            "texts": {text.language: _table(text.title, text.sections) for text in texts},
        }

    def tightens(self) -> bool:
        """Say no: see above."""
        return False

    def reach(self) -> Reach:
        """Return the purpose, everywhere."""
        return Reach(purposes=frozenset({self.purpose}))

    def apply(self, *, actor: Actor, at: datetime | None = None) -> None:
        """Publish the next version."""
        purpose = purpose_of(self.purpose)
        publish_notice(purpose=purpose, texts=self.by_language(), actor=actor, at=at)

    def by_language(self) -> Texts:
        """Return the texts as they are published."""
        return {language: (title, dict(sections)) for language, title, sections in self.texts}

    def inverse(self, before: Standing) -> tuple[str, Payload]:
        """Publish the earlier texts as a version of their own; people answer anew."""
        if not before["texts"]:
            raise CannotRevert("This was the purpose's first notice: no earlier text leads back.")
        return self.kind, {"purpose": self.purpose, "texts": before["texts"]}

    def instead(self) -> tuple[str, Payload] | None:
        """Retire the purpose: nobody is asked any more, and nothing is recorded for it."""
        if purpose_of(self.purpose).published_at is None:
            return None
        return RETIRE, {"purpose": self.purpose}


def texts_of(given: Given) -> tuple[Text, ...]:
    """Read the texts of a notice, one language at least."""
    tables = given.inner("texts").tables()
    if not tables:
        given.refuse("texts", "must have one language at least")
    if wrong := [language for language in tables if not LANGUAGE.fullmatch(language)]:
        given.refuse("texts", f"{wrong[0][:20]!r} is no code of a language")
    return tuple(_text(language, table) for language, table in tables.items())


def _text(language: str, table: Given) -> Text:
    title = table.text("title", longest=HEADING)
    sections = table.inner("sections")
    table.finish()
    found = tuple(
        (code, sections.text(code, longest=SECTION, empty=True))
        for code, _ in REQUIRED_SECTIONS
        if sections.has(code)
    )
    sections.finish()
    return language, title, found


def _table(title: str, sections: dict[str, str]) -> Payload:
    return {"title": title, "sections": sections}
