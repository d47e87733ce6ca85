"""Forms for the registry of apps."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.catalogue import KnownApp, known_apps
from consent.models import App
from consent.policy.types import AppCategory, DataOf
from portal.pages.changes import fields
from portal.pages.changes.base import ChangeForm, Words
from portal.templatetags.words import plain

CATEGORIES = [(category.value, plain(category.value)) for category in AppCategory]
WHOSE = [(whose.value, plain(whose.value)) for whose in DataOf]
NOT_KNOWN, KNOWN = "unknown", "known"


class _App(ChangeForm):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    category = forms.ChoiceField(label=gettext_lazy("Kind"), choices=CATEGORIES)
    data_of = forms.ChoiceField(label=gettext_lazy("Shows data of"), choices=WHOSE)
    others = forms.ChoiceField(
        label=gettext_lazy("Where the other people are"),
        choices=[
            (NOT_KNOWN, gettext_lazy("Not known: their words are denied")),
            (KNOWN, gettext_lazy("In the places ticked below, and nowhere else")),
        ],
    )
    matchers = fields.MatchersField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        when = self.fields.pop("effective_at")
        self.fields["counterparties"] = fields.places(_("Places"), required=False)
        self.fields["effective_at"] = when

    def terms(self) -> dict[str, Any]:
        """Return the fields that a new app and a changed one share."""
        said = super().payload()
        known = said.pop("others") == KNOWN
        return {**said, "counterparties": said["counterparties"] if known else None}


class ListApp(_App):
    """An app that was not known."""

    title: ClassVar[Words] = gettext_lazy("List an app")
    lead: ClassVar[Words] = gettext_lazy("Being listed allows nothing: a purpose must ask for it.")
    code = forms.SlugField(
        label=gettext_lazy("Short name"),
        max_length=60,
        help_text=gettext_lazy("Lower case, with hyphens; it never changes."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = next((app for app in known_apps() if app.code == self.initial.get("known")), None)
        if known:
            self.initial = {**_from_catalogue(known), **self.initial}

    def payload(self) -> dict[str, Any]:
        """Return the app as it shall be listed."""
        return self.terms()


class ChangeApp(_App):
    """Other facts about an app."""

    title: ClassVar[Words] = gettext_lazy("Change an app")
    lead: ClassVar[Words] = gettext_lazy(
        "Moving an app out of a protected kind needs two approvers and the works council. A mark"
        " taken away may give its windows to another app, so that waits for a vote as well; to stop"
        " recording in the app at once, block it, or say that its kind is unknown."
    )
    first: ClassVar[str] = "app"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {"app": fields.apps(capturable=False), **self.fields}
        if app := App.objects.filter(code=self.initial.get("app", "")).first():
            self.initial = {**self.initial, **_standing(app)}

    def payload(self) -> dict[str, Any]:
        """Return only what differs from what stands."""
        said = self.terms()
        app = said.pop("app")
        standing = _standing(app)
        standing["counterparties"] = app.counterparties
        return {
            "app": app.code,
            "fields": {name: value for name, value in said.items() if value != standing[name]},
        }


class BlockApp(ChangeForm):
    """An app that shows what must never be recorded."""

    title: ClassVar[Words] = gettext_lazy("Block an app")
    lead: ClassVar[Words] = gettext_lazy("It acts at once, for everybody.")
    submit: ClassVar[Words] = gettext_lazy("Block")

    app = fields.apps()
    suspected = forms.ChoiceField(
        label=gettext_lazy("What it shows"),
        choices=fields.PROTECTED,
    )

    def payload(self) -> dict[str, Any]:
        """Return the app's code and the kind suspected."""
        return {
            "app": self.cleaned_data["app"].code,
            "suspected": self.cleaned_data["suspected"],
        }


class UnblockApp(ChangeForm):
    """An app that was reported by mistake."""

    title: ClassVar[Words] = gettext_lazy("Unblock an app")
    lead: ClassVar[Words] = gettext_lazy("This needs two approvers and the works council.")
    nothing: ClassVar[Words] = gettext_lazy("No app is blocked.")

    app = fields.NamedField(
        label=gettext_lazy("App"),
        queryset=App.objects.filter(blocked_at__isnull=False),
        to_field_name="code",
        empty_label=fields.CHOOSE,
    )

    def payload(self) -> dict[str, Any]:
        """Return the app's code."""
        return {"app": self.cleaned_data["app"].code}


def _from_catalogue(app: KnownApp) -> dict[str, Any]:
    """Return what the catalogue knows of an app, for somebody to check and to add to."""
    return {
        "code": app.code,
        "name": app.name,
        "category": app.category.value,
        "data_of": app.data_of.value,
        "matchers": [[platform.value, kind.value, value] for platform, kind, value in app.matchers],
    }


def _standing(app: App) -> dict[str, Any]:
    marks = app.matchers.order_by("platform", "kind", "value")
    return {
        "name": app.name,
        "category": app.category,
        "data_of": app.data_of,
        "others": NOT_KNOWN if app.counterparties is None else KNOWN,
        "counterparties": app.counterparties or [],
        "matchers": [[mark.platform, mark.kind, mark.value] for mark in marks],
    }
