"""Form fields that several kinds of change share."""

import hashlib
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.models import App, Purpose
from consent.policy.types import NEVER_CATEGORIES, MatcherKind, Platform, Signal
from consent.rules import shipped
from portal.pages.placenames import places_to_choose
from portal.templatetags.words import SIGNALS, protected_name

DAY: Final = forms.DateInput(attrs={"type": "date"})
LARGEST_DOCUMENT: Final = 50_000_000
CHOOSE: Final = gettext_lazy("Choose …")
"""The first line of a choice: nothing is chosen for anybody."""
PROTECTED: Final = [
    ("", CHOOSE),
    *((kind.value, protected_name(kind.value)) for kind in sorted(NEVER_CATEGORIES)),
]
"""The kinds of app that are never recorded, to choose from."""


class DocumentField(forms.FileField):
    """A document that is only measured: its SHA-256 is kept, its bytes are not."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", gettext_lazy("Document"))
        kwargs.setdefault(
            "help_text",
            gettext_lazy("Only its digest is recorded; keep the document itself in your files."),
        )
        super().__init__(**kwargs)

    def clean(self, data: Any, initial: Any = None) -> Any:
        """Return the digest, in hexadecimal, of what was handed in."""
        found = super().clean(data, initial)
        if not isinstance(found, UploadedFile):
            return found
        if (found.size or 0) > LARGEST_DOCUMENT:
            raise ValidationError(_("This file is larger than 50 MB."))
        digest = hashlib.sha256()
        for chunk in found.chunks():
            digest.update(chunk)
        return digest.hexdigest()


class MatchersField(forms.CharField):
    """One mark a line: platform, kind and value, with spaces between."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("How agents recognise it"),
            widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
            help_text=gettext_lazy(
                "One mark a line, for example: web domain jira.example.com · macos bundle_id"
                " com.example.app · windows executable app.exe"
            ),
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        """Return the lines as [platform, kind, value]; a bad line is named by its number."""
        found = []
        for number, line in enumerate((super().to_python(value) or "").splitlines(), start=1):
            if not line.strip():
                continue
            parts = line.split(maxsplit=2)
            known = len(parts) == 3 and parts[0] in _values(Platform)
            if not known or parts[1] not in _values(MatcherKind):
                raise ValidationError(
                    _("Line %(number)d is not platform, kind and value. Platforms: %(platforms)s.")
                    % {"number": number, "platforms": ", ".join(sorted(_values(Platform)))}
                )
            found.append(parts)
        return found

    def prepare_value(self, value: Any) -> Any:
        """Show what was recorded as lines again."""
        if isinstance(value, list):
            return "\n".join(" ".join(row) for row in value)
        return value


def _values(words: Any) -> set[str]:
    return {word.value for word in words}


class NamedField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at runtime
    """A choice of rows by the name that people know, sent by its code."""

    def label_from_instance(self, obj: Any) -> str:
        """Return the name or title of a row."""
        return name_of(obj)


class NamedFields(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not generic at runtime
    """A choice of several rows by the names that people know."""

    def label_from_instance(self, obj: Any) -> str:
        """Return the name or title of a row."""
        return name_of(obj)


def name_of(row: Any) -> str:
    """Return what people call an app, a purpose or an agreement."""
    return str(getattr(row, "name", None) or getattr(row, "title", row))


def purposes() -> NamedField:
    """Return a field to choose a published purpose."""
    published = Purpose.objects.filter(published_at__isnull=False)
    label = gettext_lazy("Purpose")
    return NamedField(label=label, queryset=published, to_field_name="code", empty_label=CHOOSE)


def apps(*, capturable: bool = True) -> NamedField:
    """Return a field to choose an app; by default only of those that may ever be recorded."""
    found = App.objects.order_by("name")
    if capturable:
        found = found.exclude(category__in=[category.value for category in NEVER_CATEGORIES])
    label = gettext_lazy("App")
    return NamedField(label=label, queryset=found, to_field_name="code", empty_label=CHOOSE)


def language(**kwargs: Any) -> forms.RegexField:
    """Return a field for the code of a notice's language."""
    return forms.RegexField(
        label=gettext_lazy("Language"),
        regex=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        max_length=12,
        initial="en",
        error_messages={"invalid": gettext_lazy("Write a code such as en, de or pt-BR.")},
        **kwargs,
    )


def signals(label: Any, **kwargs: Any) -> forms.MultipleChoiceField:
    """Return a field to choose signals."""
    return forms.MultipleChoiceField(
        label=label,
        choices=[(signal.value, SIGNALS[signal.value]) for signal in Signal],
        widget=forms.CheckboxSelectMultiple,
        **kwargs,
    )


def places(label: Any, **kwargs: Any) -> forms.MultipleChoiceField:
    """Return a field to choose jurisdictions."""
    return forms.MultipleChoiceField(
        label=label,
        choices=places_to_choose(shipped()),
        widget=forms.CheckboxSelectMultiple,
        **kwargs,
    )


def place(**kwargs: Any) -> forms.ChoiceField:
    """Return a field to choose one jurisdiction."""
    return forms.ChoiceField(
        label=gettext_lazy("Place"),
        choices=[("", CHOOSE), *places_to_choose(shipped())],
        **kwargs,
    )


def words(value: str) -> list[str]:
    """Return what stands between commas, without blanks."""
    return [part.strip() for part in value.split(",") if part.strip()]
