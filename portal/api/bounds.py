"""What a number and a moment may be in a request: what every part behind can reckon with."""

import re
from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

from consent.policy.factsfile import YEARS

LARGEST: Final = 2**53 - 1
"""The largest whole number that each reader of JSON takes for the same (RFC 7493 section 2.2)."""

ZONED: Final = re.compile(r"[0-9](?:[Zz]|[+-][0-9]{2}:?[0-9]{2})\Z")
"""How an instant ends that names its offset; a day alone ends in none."""


RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class Moment(serializers.DateTimeField):
    """An instant of this age: near the ends of the calendar no term could be worked out from it."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the instant; raises for one of another age, and for one of no zone.

        RFC 3339 has none without: what was meant by it would be a guess.
        """
        if isinstance(value, str) and not ZONED.search(value):
            raise serializers.ValidationError("This instant names no offset from UTC.")
        moment = super().to_internal_value(value)
        if moment.year not in YEARS:
            raise serializers.ValidationError("This instant is too long ago, or too far away.")
        return moment


class Stamp(Moment):
    """A moment as programs say it and the published forms have it (`date-time`, RFC 3339)."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the instant; raises for any other form, however well it could be read.

        Weeks, a comma, a space and digits of other scripts are what only Python reads.
        """
        if not isinstance(value, str) or not RFC_3339.fullmatch(value):
            raise serializers.ValidationError("Must be an instant, as RFC 3339 writes it.")
        return super().to_internal_value(value.upper())
