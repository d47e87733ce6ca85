"""What a notice says in the reader's language, and what its purpose is called there."""

from django.conf import settings
from django.utils.translation import get_language

from consent import selectors
from consent.models import Notice, NoticeText, Purpose


def text_of(notice: Notice, language: str | None) -> NoticeText:
    """Return the notice in the person's language, else in English, else in any it has."""
    texts = {text.language: text for text in notice.texts.all()}
    short = _short(language)
    return texts.get(short) or texts.get("en") or next(iter(texts.values()))


def purpose_in_words(purpose: Purpose, notice: Notice | None) -> tuple[str, str]:
    """Return what a purpose is called and what it is for, in the reader's language where it can.

    The organisation names a purpose once, in one language; its notices are what is translated.
    Whoever reads another language that this notice is in reads its heading and its summary.
    """
    language = _short(get_language())
    if notice is not None and language != _short(settings.LANGUAGE_CODE):
        text = text_of(notice, language)
        if text.language == language:
            return text.title, text.sections["summary"]
    return purpose.title, purpose.description


def purpose_name(purpose: Purpose) -> str:
    """Return what a purpose is called in the reader's language, by its notice of today."""
    if _short(get_language()) == _short(settings.LANGUAGE_CODE):
        return purpose.title
    return purpose_in_words(purpose, selectors.current_notice(purpose))[0]


def _short(language: str | None) -> str:
    return (language or settings.LANGUAGE_CODE).partition("-")[0]
