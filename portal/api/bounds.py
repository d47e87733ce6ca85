"""What a number and a moment may be in a request: what every part behind can reckon with."""

from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

from consent.policy.factsfile import YEARS

LARGEST: Final = 2**53 - 1
"""The largest whole number that each reader of JSON takes for the same (RFC 7493 section 2.2)."""


class Moment(serializers.DateTimeField):
    """An instant of this age: near the ends of the calendar no term could be worked out from it."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the instant; raises for one of another age."""
        moment = super().to_internal_value(value)
        if moment.year not in YEARS:
            raise serializers.ValidationError("This instant is too long ago, or too far away.")
        return moment
