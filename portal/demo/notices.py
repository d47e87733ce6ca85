"""The notices of the invented company, put together from their words and from what is asked for."""

from datetime import date
from typing import Final

from babel.dates import format_date

from consent.notices import REQUIRED_SECTIONS
from portal.demo.company import NoticeData, PurposeData, apps, company, notice_words

LOCALES: Final = {"en": "en_GB"}
"""How dates are written where the language alone does not say."""

Texts = dict[str, tuple[str, dict[str, str]]]


def notice_texts(
    purpose: PurposeData, notice: NoticeData, *, version: int, prepared_on: date
) -> Texts:
    """Return language -> (title, sections). Apps and signals are those really asked for."""
    return {
        language: (
            words["purposes"][purpose.code]["title"],
            _sections(purpose, notice, language, version=version, prepared_on=prepared_on),
        )
        for language, words in notice_words().items()
    }


def _sections(
    purpose: PurposeData, notice: NoticeData, language: str, *, version: int, prepared_on: date
) -> dict[str, str]:
    words = notice_words()[language]
    own = {**words["common"], **words["purposes"][purpose.code]}
    listed = [apps()[code] for code in purpose.apps]
    fill = {
        "company": company().name,
        "date": format_date(prepared_on, format="long", locale=LOCALES.get(language, language)),
        "version": version,
        "days": notice.retention_days or purpose.retention_days,
        "apps": words["joined"].join(sorted(app.name for app in listed)),
    }
    own["signals"] = "\n".join(
        words["signals"][signal] for signal in (*purpose.signals, *purpose.own_signals)
    )
    if notice.change:
        own["dates"] = f"{own['dates']} {words['changes'][notice.change]}"
    return {code: own[code].strip().format(**fill) for code, _ in REQUIRED_SECTIONS}
