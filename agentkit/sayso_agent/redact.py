"""Masks what must not leave in any text that may: cards, e-mail, phone numbers, IBAN. Pure.

No mask is a promise: it makes the careless case rare, it does not make free text harmless.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

CARD: Final = "[card]"
EMAIL: Final = "[email]"
PHONE: Final = "[phone]"
IBAN: Final = "[iban]"
DIGITS: Final = "[digits]"

_GAP: Final = r"[\s.\-\u2010-\u2015/_\u00b7]{0,3}"
_DIGIT_RUN: Final = re.compile(rf"\d(?:{_GAP}\d)*")
_IBAN: Final = re.compile(r"(?<![^\W_])[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,30}(?![^\W_])")
_PHONE: Final = re.compile(r"(?:\+|\(\+?)?\d(?:[\s.\-\u2010-\u2015/()]{0,3}\d){6,18}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)(?:[ T]\d{2}(?!\d))?")
_ADDRESS_END: Final = frozenset(" \t\r\n<>()[]{},;:\"'|`")
_SHORTEST_CARD: Final = 13
_LONGEST_CARD: Final = 19
_SHORTEST_PHONE: Final = 7
_SHORTEST_BARE_PHONE: Final = 9
_LOOSE_DIGITS: Final = 5

SECURE_AUTOCOMPLETE: Final = frozenset({"current-password", "new-password", "one-time-code"})
_SECURE_NAME: Final = re.compile(
    r"pass(?:wo?r?d|phrase|code|wort)?(?![a-z])|passw|(?<![a-z])(?:pw|pwd|pin|otp|tan|ssn|cvc|cvv)"
    r"(?![a-z])|secret|token|card[-_ ]?(?:num|no|nr)|cardnumber|(?<![a-z])card(?![a-z])"
    r"|credit|iban|mot[-_ ]?de[-_ ]?passe|kennwort|contrase",
)


def secure_field(attributes: Mapping[str, Any]) -> bool:
    """Return whether a form field's attributes say it takes a password, a code or a card."""
    kind = str(attributes.get("type", "")).strip().lower()
    if kind == "password" or "data-rr-is-password" in attributes:
        return True
    completes = str(attributes.get("autocomplete", "")).lower().split()
    if any(word in SECURE_AUTOCOMPLETE or word.startswith("cc-") for word in completes):
        return True
    names = (str(attributes.get(name, "")).lower() for name in ("id", "name", "aria-label"))
    return any(_SECURE_NAME.search(name) for name in names)


def redact(text: str, *, open_start: bool = False, open_end: bool = False) -> str:
    """Return the text with what identifies people or accounts masked.

    `open_start` and `open_end` say that the text may go on beyond that end: digits there may be
    part of a longer number, so they go too, and so does an address that has only begun.
    """
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    masked = _mask_addresses(visible.replace("\uff20", "@"), open_end=open_end)
    masked = _mask_ibans(masked)
    masked = _DIGIT_RUN.sub(_card, masked)
    masked = _PHONE.sub(_phone, masked)
    return _mask_edges(masked, start=open_start, end=open_end)


def _mask_addresses(text: str, *, open_end: bool) -> str:
    """Mask around every @ by walking outwards, which stays linear in the length of the text."""
    parts: list[str] = []
    done = 0
    for at in (i for i, c in enumerate(text) if c == "@"):
        if at < done:
            continue
        start = at
        while start > done and text[start - 1] not in _ADDRESS_END:
            start -= 1
        end = at + 1
        while end < len(text) and text[end] not in _ADDRESS_END:
            end += 1
        whole = start < at and end > at + 1
        if whole or (open_end and start < at and end == len(text)):
            parts += [text[done:start], EMAIL]
            done = end
    return "".join([*parts, text[done:]])


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(c)) for c in text if c.isdecimal())


def luhn(digits: str) -> bool:
    """Return whether a string of digits passes the check that card numbers pass."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _windows(digits: str) -> Iterator[str]:
    for start in range(len(digits) - _SHORTEST_CARD + 1):
        for length in range(_SHORTEST_CARD, min(_LONGEST_CARD, len(digits) - start) + 1):
            yield digits[start : start + length]


def _card(match: re.Match[str]) -> str:
    """Mask a run of digits with a card number anywhere in it; very long runs go unlooked."""
    digits = _digits(match.group())
    if len(digits) < _SHORTEST_CARD:
        return match.group()
    if len(digits) > 4 * _LONGEST_CARD or any(luhn(window) for window in _windows(digits)):
        return CARD
    return match.group()


def _mask_ibans(text: str) -> str:
    """Mask every IBAN, also with a word written close behind it."""
    parts: list[str] = []
    done = 0
    while match := _IBAN.search(text, done):
        start = match.start()
        end = _iban_end(match.group())
        parts += [text[done:start], IBAN if end else match.group()[:4]]
        done = start + (end or 4)
    return "".join([*parts, text[done:]])


def _iban_end(text: str) -> int:
    """Return where the IBAN that begins this text ends; 0 where there is none."""
    for end in range(len(text), 14, -1):
        plain = re.sub(r"[ \-]", "", text[:end]).upper()
        if _word_ends(text, end) and _mod97(plain):
            return end
    return 0


def _word_ends(text: str, end: int) -> bool:
    return end == len(text) or not text[end].isalnum()


def _mod97(iban: str) -> bool:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _phone(match: re.Match[str]) -> str:
    text = match.group()
    if date := _DATE.match(text):
        rest = text[date.end() :]
        return date.group() + (_PHONE.sub(_phone, rest) if rest else "")
    digits = _digits(text)
    marked = text[0] in "+(" or digits.startswith("0")
    shortest = _SHORTEST_PHONE if marked else _SHORTEST_BARE_PHONE
    return PHONE if len(digits) >= shortest else text


def _mask_edges(text: str, *, start: bool, end: bool) -> str:
    runs = list(_DIGIT_RUN.finditer(text)) if start or end else []
    if end and runs and not text[runs[-1].end() :].strip(" .-/"):
        text = _without(text, runs.pop())
    if start and runs and not text[: runs[0].start()].strip(" .-/"):
        text = _without(text, runs[0])
    return text


def _without(text: str, run: re.Match[str]) -> str:
    if len(_digits(run.group())) < _LOOSE_DIGITS:
        return text
    return text[: run.start()] + DIGITS + text[run.end() :]
