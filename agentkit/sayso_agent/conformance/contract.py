"""What the kit tells an agent under test, and what it wants of it: printed, and a page. Pure."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sayso_agent.fields import ELEMENTS, KEYS, SHAPES, members


def contract() -> str:
    """Return all of it, in Markdown."""
    text = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    told = {
        "{members}": "\n".join(_members()),
        "{keys}": _codes(KEYS),
        "{elements}": _codes(ELEMENTS | {"other"}),
    }
    for place, said in told.items():
        text = text.replace(place, said)
    return text


def _members() -> Iterator[str]:
    yield "| signal | members |"
    yield "| --- | --- |"
    for signal in SHAPES:
        said = "; ".join(f"`{name}`: {what}" for name, what in members(signal))
        yield f"| `{signal}` | {said or 'none'} |"
    yield "| `screenshot`, `screen_video` | not played |"


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))
