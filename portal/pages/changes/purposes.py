"""Forms for purposes, their notices and what they may ask for."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import selectors
from consent.models import Notice, NoticeText, Purpose
from consent.notices import REQUIRED_SECTIONS
from consent.services.purposes import needs_notice
from portal.pages.changes import fields
from portal.pages.changes.base import ChangeForm, Words

MOST_DAYS = 365
TOLD_ANEW = ("summary", "purpose", "retention", "dates")
"""The sections of a notice that say what a purpose is for and how long it keeps."""


class PublishPurpose(ChangeForm):
    """A new purpose."""

    title: ClassVar[Words] = gettext_lazy("Publish a purpose")
    lead: ClassVar[Words] = gettext_lazy(
        "What the recordings are for. Nobody is asked before it has a notice and a list of apps."
    )

    code = forms.SlugField(
        label=gettext_lazy("Short name"),
        max_length=60,
        help_text=gettext_lazy("Lower case, with hyphens; it never changes."),
    )
    name = forms.CharField(label=gettext_lazy("Title"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("What it is for, in plain words"),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    retention_days = forms.IntegerField(
        label=gettext_lazy("Kept at most, in days"), min_value=1, max_value=MOST_DAYS
    )

    def payload(self) -> dict[str, Any]:
        """Return it under the names of the change."""
        said = super().payload()
        title = said.pop("name")
        return {**said, "title": title, "position": Purpose.objects.count() + 1}


class ChangePurpose(ChangeForm):
    """Other terms for a purpose; a shorter time acts at once, all else needs its next notice."""

    title: ClassVar[Words] = gettext_lazy("Change a purpose")
    lead: ClassVar[Words] = gettext_lazy(
        "Fields left empty stay as they are. A shorter time acts at once. With another title or"
        " description, or a longer time, goes the next version of the notice: everybody who said"
        " yes is asked anew."
    )

    purpose = fields.purposes()
    name = forms.CharField(label=gettext_lazy("Title"), max_length=120, required=False)
    description = forms.CharField(
        label=gettext_lazy("What it is for, in plain words"),
        widget=forms.Textarea(attrs={"rows": 4}),
        required=False,
    )
    retention_days = forms.IntegerField(
        label=gettext_lazy("Kept at most, in days"),
        min_value=1,
        max_value=MOST_DAYS,
        required=False,
    )
    language = fields.language(help_text=gettext_lazy("Of the texts below."), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        when = self.fields.pop("effective_at")
        for code, label in REQUIRED_SECTIONS:
            if code in TOLD_ANEW:
                self.fields[f"section_{code}"] = forms.CharField(
                    label=_("New in the notice: %(section)s") % {"section": label},
                    widget=forms.Textarea(attrs={"rows": 3}),
                    required=False,
                )
        self.fields["effective_at"] = when

    def clean(self) -> dict[str, Any]:
        """Ask for at least one change, and for what the next notice says of it."""
        said: dict[str, Any] = super().clean() or {}
        terms = self._terms(said)
        if not terms:
            self.add_error(None, _("Fill in at least one field besides the purpose."))
        elif said.get("purpose") and needs_notice(said["purpose"], terms) and not _told(said):
            self.add_error(
                f"section_{next(iter(TOLD_ANEW))}",
                _("Write what the notice says of it from now on: one of its sections at least."),
            )
        return said

    def payload(self) -> dict[str, Any]:
        """Return only what was filled in; the notice's other sections and languages go on."""
        said = self.cleaned_data
        found = {"purpose": said["purpose"].code, **self._terms(said)}
        if told := _told(said):
            texts = _as_payload(_texts(said["purpose"]))
            language = said["language"] or "en"
            newest = texts.get(language) or {"title": said["purpose"].title, "sections": {}}
            sections = {**newest["sections"], **told}
            found["texts"] = {**texts, language: {**newest, "sections": sections}}
        return found

    def _terms(self, said: dict[str, Any]) -> dict[str, Any]:
        names = {"title": "name", "description": "description", "retention_days": "retention_days"}
        return {name: said[field] for name, field in names.items() if said.get(field)}


class RetirePurpose(ChangeForm):
    """A purpose that asks nobody any more."""

    title: ClassVar[Words] = gettext_lazy("Retire a purpose")
    lead: ClassVar[Words] = gettext_lazy(
        "It acts at once: nobody is asked any more, and nothing more is recorded for it."
    )
    submit: ClassVar[Words] = gettext_lazy("Retire")
    nothing: ClassVar[Words] = gettext_lazy("No purpose is published.")

    purpose = fields.purposes()

    def payload(self) -> dict[str, Any]:
        """Return its code."""
        return {"purpose": self.cleaned_data["purpose"].code}


class ReopenPurpose(ChangeForm):
    """A retired purpose that asks again."""

    title: ClassVar[Words] = gettext_lazy("Ask for a retired purpose again")
    lead: ClassVar[Words] = gettext_lazy("Who said yes then, and has not taken it back, counts.")
    nothing: ClassVar[Words] = gettext_lazy("No purpose was retired.")

    purpose = fields.NamedField(
        label=gettext_lazy("Purpose"),
        queryset=Purpose.objects.filter(published_at__isnull=True),
        to_field_name="code",
        empty_label=fields.CHOOSE,
    )

    def payload(self) -> dict[str, Any]:
        """Return its code."""
        return {"purpose": self.cleaned_data["purpose"].code}


class ChangeAllowlist(ChangeForm):
    """Which signals of an app a purpose may ask for."""

    title: ClassVar[Words] = gettext_lazy("Change what a purpose may ask for")
    lead: ClassVar[Words] = gettext_lazy(
        "Taking a signal away acts at once. Adding one asks everybody anew; nobody is switched on."
    )

    purpose = fields.purposes()
    app = fields.apps()
    add = fields.signals(gettext_lazy("Add"), required=False)
    remove = fields.signals(gettext_lazy("Take away"), required=False)

    def clean(self) -> dict[str, Any]:
        """Refuse nothing at all, and a signal that is in both lists."""
        said: dict[str, Any] = super().clean() or {}
        add, remove = set(said.get("add") or ()), set(said.get("remove") or ())
        if not add and not remove:
            self.add_error(None, _("Tick at least one signal to add or to take away."))
        if add & remove:
            self.add_error("remove", _("A signal cannot be added and taken away at once."))
        return said

    def payload(self) -> dict[str, Any]:
        """Return it with codes in place of rows."""
        said = super().payload()
        return {**said, "purpose": said["purpose"].code, "app": said["app"].code}


class PublishNotice(ChangeForm):
    """The next version of a notice, written in one language; the others go on unchanged."""

    title: ClassVar[Words] = gettext_lazy("Publish a notice")
    lead: ClassVar[Words] = gettext_lazy(
        "Everybody who said yes is asked again; until they answer, nothing of theirs is recorded."
    )

    purpose = fields.purposes()
    language = fields.language(help_text=gettext_lazy("A code such as en, de or pt-BR."))
    heading = forms.CharField(label=gettext_lazy("Heading"), max_length=200)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        when = self.fields.pop("effective_at")
        for code, label in REQUIRED_SECTIONS:
            self.fields[f"section_{code}"] = forms.CharField(
                label=label, widget=forms.Textarea(attrs={"rows": 3})
            )
        self.fields["effective_at"] = when
        self._begin_with_what_stands()

    def payload(self) -> dict[str, Any]:
        """Return the texts of all languages, this one replaced."""
        said = self.cleaned_data
        texts = _as_payload(_texts(said["purpose"]))
        sections = {code: said[f"section_{code}"] for code, _label in REQUIRED_SECTIONS}
        texts[said["language"]] = {"title": said["heading"], "sections": sections}
        return {"purpose": said["purpose"].code, "texts": texts}

    def _begin_with_what_stands(self) -> None:
        if not (code := self.initial.get("purpose")):
            return
        purpose = Purpose.objects.filter(code=code).first()
        language = self.initial.get("language") or "en"
        for text in _texts(purpose) if purpose else []:
            if text.language == language:
                self.initial["heading"] = text.title
                sections = {f"section_{key}": value for key, value in text.sections.items()}
                self.initial = {**self.initial, **sections}


def _told(said: dict[str, Any]) -> dict[str, str]:
    """Return the sections that were written anew."""
    written = {code: said.get(f"section_{code}", "") for code in TOLD_ANEW}
    return {code: text for code, text in written.items() if text}


def _as_payload(texts: list[NoticeText]) -> dict[str, Any]:
    return {
        text.language: {"title": text.title, "sections": text.sections}
        for text in sorted(texts, key=lambda text: text.language)
    }


def _texts(purpose: Purpose) -> list[NoticeText]:
    notice: Notice | None = selectors.current_notice(purpose)
    return list(notice.texts.all()) if notice else []
