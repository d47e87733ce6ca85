"""The form with which tickets are asked for: for which machines, how many, for how long."""

from typing import Any, Final, cast
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.models import Cohort
from portal.fleet import groups
from portal.fleet.sets import LONGEST_DAYS, LONGEST_SERIAL, MOST

LARGEST_LIST: Final = 400_000
"""Characters of a list of serial numbers: with its tickets it still fits into one request."""


class GroupField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no subscript at run time
    """A choice of cohorts, in words."""

    def label_from_instance(self, obj: Cohort) -> str:
        """Return whom a cohort is."""
        return groups.words(obj)


class SerialsField(forms.CharField):
    """Serial numbers, one a line."""

    def clean(self, value: Any) -> list[str]:
        """Return them in order; an empty line is none."""
        return serials_in(super().clean(value))


class SerialsFileField(forms.FileField):
    """A text file of serial numbers, one a line."""

    def clean(self, data: Any, initial: Any = None) -> list[str]:
        """Return them in order; no file is an empty list."""
        found = super().clean(data, initial)
        if not isinstance(found, UploadedFile):
            return []
        if (found.size or 0) > LARGEST_LIST:
            raise ValidationError(_("This file is larger than 400 kB."))
        try:
            return serials_in(found.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValidationError(_("This is no text file: save the list as UTF-8.")) from error


def serials_in(text: str) -> list[str]:
    """Return the serial numbers of a list; raises ValidationError, which says what is wrong."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) > MOST:
        raise ValidationError(_("These are more than 10,000. Make several sets."))
    places: dict[str, int] = {}
    for place, serial in enumerate(found, start=1):
        if len(serial) > LONGEST_SERIAL or not serial.isprintable():
            words = _("Serial number %(place)s is longer than 80 characters, or holds odd ones.")
            raise ValidationError(words % {"place": place})
        if (first := places.setdefault(serial.upper(), place)) != place:
            words = _("Serial numbers %(first)s and %(place)s are the same.")
            raise ValidationError(words % {"first": first, "place": place})
    return found


class TicketForm(forms.Form):
    """For which machines, for how many, for how long."""

    label = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("So that you find them again; name no person."),
    )
    site = forms.CharField(
        label=gettext_lazy("Site"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("Only people who work there can approve the machines."),
    )
    cohort = GroupField(
        Cohort.objects.none(),
        label=gettext_lazy("Group"),
        required=False,
        empty_label=gettext_lazy("None"),
        help_text=gettext_lazy(
            "People for whom the same rules decide. Groups of fewer than ten are not named."
        ),
    )
    count = forms.IntegerField(
        label=gettext_lazy("How many tickets for the site or group"),
        min_value=1,
        max_value=MOST,
        required=False,
        help_text=gettext_lazy("One for each machine, 10,000 at most."),
    )
    serials = SerialsField(
        label=gettext_lazy("Serial numbers"),
        required=False,
        max_length=LARGEST_LIST,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
        help_text=gettext_lazy(
            "One a line, instead of a site or group. Each machine gets a ticket that is good for no"
            " other. Kept as hashes only."
        ),
    )
    serials_file = SerialsFileField(
        label=gettext_lazy("Serial numbers from a text file"),
        required=False,
        help_text=gettext_lazy("One a line."),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Valid for days"), min_value=1, max_value=LONGEST_DAYS, initial=14
    )
    request = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = groups.offered()
        field = cast("GroupField", self.fields["cohort"])
        field.queryset = Cohort.objects.filter(pk__in=[cohort.pk for cohort in found])

    def clean(self) -> dict[str, Any]:
        """Ask for one of the three: a ticket for anything would be one for anybody."""
        said = super().clean() or {}
        if said.get("serials") and said.get("serials_file"):
            raise forms.ValidationError(_("Give the serial numbers once: as text or as a file."))
        said["serials"] = said.get("serials") or said.pop("serials_file", [])
        said.pop("serials_file", None)
        if self.errors:
            return said
        if sum(bool(said.get(name)) for name in ("serials", "site", "cohort")) != 1:
            raise forms.ValidationError(_("Name one: a site, a group or serial numbers."))
        if said["serials"] and said["count"] is not None:
            raise forms.ValidationError(
                ngettext(
                    "You listed %(n)s serial number: leave the number of tickets empty.",
                    "You listed %(n)s serial numbers: leave the number of tickets empty.",
                    len(said["serials"]),
                )
                % {"n": len(said["serials"])}
            )
        if not said["serials"] and said["count"] is None:
            self.add_error("count", _("Say how many."))
        return said
