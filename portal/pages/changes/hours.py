"""The form for working hours, and its fields in the form for agreements."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.policy.hours import windows_of, zone_named
from consent.rules import shipped
from consent.selectors.settings import EVERYBODY, SITE
from portal.pages.changes.base import ChangeForm, Words


class HoursField(forms.CharField):
    """One line for days that have the same hours."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("Hours"),
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
            required=False,
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        """Return the lines; a bad one is shown again."""
        lines = [" ".join(line.split()) for line in (super().to_python(value) or "").splitlines()]
        for line in filter(None, lines):
            try:
                list(windows_of(line))
            except ValueError:
                raise ValidationError(
                    _("“%(line)s” is not days and times such as mon-fri 08:00-18:00.")
                    % {"line": line}
                ) from None
        return [line for line in lines if line]


def clean_zone(value: str) -> str:
    """Return the name of a time zone, or nothing; refuses what is none."""
    zone = value.strip()
    if zone and zone_named(zone) is None:
        raise ValidationError(_("This is no IANA time zone, such as Europe/Berlin."))
    return zone


def zone_field() -> forms.CharField:
    """Return a field for the clock that hours go by."""
    return forms.CharField(
        label=gettext_lazy("By the clock of (IANA time zone)"),
        required=False,
        max_length=60,
        help_text=gettext_lazy(
            "Such as Europe/Berlin. Leave empty: the clock of where each person works; where a"
            " place has several, nothing is recorded."
        ),
    )


def holidays_field() -> forms.BooleanField:
    """Return a field for whether public holidays are closed."""
    return forms.BooleanField(
        label=gettext_lazy("Nothing on public holidays of where they work"), required=False
    )


def hours_payload(said: dict[str, Any]) -> dict[str, Any] | None:
    """Return hours as a payload has them; None where none were named."""
    if not said["hours"]:
        return None
    return {
        "zone": said["zone"] or None,
        "hours": said["hours"],
        "closed_on_holidays": said["closed_on_holidays"],
    }


class ChangeHours(ChangeForm):
    """Hours outside of which nothing is recorded."""

    title: ClassVar[Words] = gettext_lazy("Set working hours")
    lead: ClassVar[Words] = gettext_lazy(
        "Outside of these hours nothing is recorded. They come on top of what agreements say;"
        " shorter hours act at once."
    )

    site = forms.CharField(
        label=gettext_lazy("Only for the people of a site"), required=False, max_length=80
    )
    hours = HoursField(
        help_text=gettext_lazy(
            "One line for days with the same hours, such as mon-fri 08:00-18:00 or sat,sun"
            " 10:00-14:00; a day ends at 24:00. Leave empty: no hours bind recording any more."
        )
    )
    zone = zone_field()
    closed_on_holidays = holidays_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = [(code, f"{row.name} ({code})") for code, row in sorted(shipped().rows.items())]
        place = forms.ChoiceField(
            label=_("For whom"), choices=[(EVERYBODY, _("Everybody")), *places]
        )
        self.fields = {"place": place, **self.fields}

    def clean_zone(self) -> str:
        """Refuse what is no time zone."""
        return clean_zone(self.cleaned_data["zone"])

    def payload(self) -> dict[str, Any]:
        """Return whom the hours are for, and the hours."""
        said = self.cleaned_data
        site = said["site"].strip()
        whom = f"{SITE}{site}" if site else said["place"]
        return {"whom": whom, **(hours_payload(said) or {"hours": None})}
