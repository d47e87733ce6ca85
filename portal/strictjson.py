"""JSON as everything here reads it: what leaves room for two readings is none. Pure."""

import json
import math
from typing import Any, Final

DEEPEST: Final = 32
"""How deep one value may lie in another; nothing here is deeper than five."""


class NotJSONError(ValueError):
    """What was sent is no JSON document, or one that two readers could take for different ones."""


def parse(sent: bytes) -> Any:
    """Return what a document says.

    Raises NotJSONError for what is no UTF-8 or no JSON, and for members given twice, numbers that
    are none (NaN, infinities, 1e999), text with NUL or half a surrogate pair, and deep nesting:
    behind this nothing has to reckon with them.
    """
    try:
        text = sent.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_once_each)
    except RecursionError:
        raise NotJSONError("The body is nested too deeply.") from None
    except NotJSONError:
        raise
    except ValueError:  # no UTF-8, no JSON, or a number of thousands of digits
        raise NotJSONError("The body is no JSON document.") from None
    _check(found)
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJSONError("A member is given twice.")
    return found


def _check(found: Any) -> None:
    """Raise NotJSONError for what JSON's grammar lets through; without recursion."""
    left = [(found, 1)]
    while left:
        value, depth = left.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise NotJSONError("A number is not finite.")
        elif isinstance(value, dict | list):
            if depth > DEEPEST:
                raise NotJSONError("The body is nested too deeply.")
            inner = value
            if isinstance(value, dict):
                for name in value:
                    _check_text(name)
                inner = list(value.values())
            left += [(one, depth + 1) for one in inner]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise NotJSONError("A text contains NUL.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotJSONError("A text contains half a surrogate pair.") from None
