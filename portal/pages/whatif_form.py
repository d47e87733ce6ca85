"""The form of the what-if page: the facts of `decide`, field by field; a blank is not said."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.policy.rulebook import Rulebook
from consent.policy.types import ConsentState, NeverSignal, Signal
from portal.pages.dates import refuse_odd_days
from portal.pages.placenames import places_to_choose
from portal.templatetags.words import signal_name, state_name

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Words = str | Promise
Choices = list[tuple[str, Any]]

NOT_SAID: Final = ("", gettext_lazy("not said"))
FLAG: Final = (NOT_SAID, ("yes", gettext_lazy("yes")), ("no", gettext_lazy("no")))
SOME: Final = "some"

PARTS: Final[tuple[tuple[Words, tuple[str, ...]], ...]] = (
    (gettext_lazy("Where"), ("jurisdictions",)),
    (gettext_lazy("What and when"), ("signal", "at", "app_allowed", "in_hours")),
    (gettext_lazy("The person's answer"), ("consent", "consent_given_on", "consented_signals")),
    (gettext_lazy("Notice"), ("notice_on", "notice_waived", "notice_version_ok", "ack")),
    (gettext_lazy("What must come first"), ("gates", "gates_closed")),
    (gettext_lazy("Signed exceptions"), ("overrides",)),
    (
        gettext_lazy("Other people whose words the app shows"),
        ("others", "counterparties", "counterparties_consented", "counterparty_masked"),
    ),
    (gettext_lazy("A rights request"), ("received", "extended")),
)
OPEN: Final = 3
"""So many parts are open from the start; the others open when something is said in them."""

FLAGS: Final = (
    "app_allowed",
    "in_hours",
    "notice_waived",
    "notice_version_ok",
    "ack",
    "counterparties_consented",
    "counterparty_masked",
)
DAYS: Final = ("consent_given_on", "notice_on")
LISTS: Final = ("consented_signals", "overrides")


@dataclass(frozen=True)
class Part:
    """Some fields of the form under one heading, in the shape that the field template reads."""

    title: Words
    visible_fields: list[forms.BoundField]
    open: bool
    hidden_fields: tuple[()] = ()
    non_field_errors: str = field(default="")


def _day(label: "StrPromise", *, required: bool = False) -> forms.DateField:
    return forms.DateField(
        label=label, required=required, widget=forms.DateInput(attrs={"type": "date"})
    )


def _flag(label: "StrPromise") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=FLAG, required=False)


def _ticks(label: "StrPromise", look: str = "short") -> forms.MultipleChoiceField:
    """Return the boxes of a list; names of a word or two stand side by side on a phone too."""
    widget = forms.CheckboxSelectMultiple(attrs={"class": look} if look else {})
    return forms.MultipleChoiceField(label=label, required=False, widget=widget)


class WhatIfForm(forms.Form):
    """The facts about somebody who does not exist."""

    jurisdictions = _ticks(gettext_lazy("Places that apply"))
    signal = forms.ChoiceField(label=gettext_lazy("Signal"))
    at = _day(gettext_lazy("Day"), required=True)
    app_allowed = _flag(gettext_lazy("Is the app on the list?"))
    in_hours = _flag(gettext_lazy("Within working hours?"))
    consent = forms.ChoiceField(label=gettext_lazy("Consent"), required=False)
    consent_given_on = _day(gettext_lazy("Given on"))
    consented_signals = _ticks(gettext_lazy("Signals the yes covers"))
    notice_on = _day(gettext_lazy("Notice given on"))
    notice_waived = _flag(gettext_lazy("Did the person agree to less notice?"))
    notice_version_ok = _flag(gettext_lazy("Did the person answer the newest notice?"))
    ack = _flag(gettext_lazy("Did the person confirm the notice?"))
    gates = forms.ChoiceField(
        label=gettext_lazy("Which of them are done?"),
        required=False,
        choices=(
            ("", gettext_lazy("none")),
            ("all", gettext_lazy("all")),
            (SOME, gettext_lazy("those ticked here")),
        ),
    )
    gates_closed = _ticks(gettext_lazy("Done, long ago"), look="")
    overrides = _ticks(gettext_lazy("Signals with an approved exception"))
    others = forms.ChoiceField(
        label=gettext_lazy("Whose words can it show?"),
        required=False,
        choices=(
            NOT_SAID,
            ("nobody", gettext_lazy("only the person's own")),
            (SOME, gettext_lazy("of people in the places ticked here")),
        ),
    )
    counterparties = _ticks(gettext_lazy("Where they are"))
    counterparties_consented = _flag(gettext_lazy("Did they agree?"))
    counterparty_masked = _flag(gettext_lazy("Are they masked?"))
    received = _day(gettext_lazy("Received on"))
    extended = forms.BooleanField(
        label=gettext_lazy("With the extension the law gives"), required=False
    )

    def __init__(self, *args: Any, rulebook: Rulebook, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places: Choices = [*places_to_choose(rulebook)]
        signals: Choices = [(signal.value, signal_name(signal.value)) for signal in Signal]
        never: Choices = [(signal.value, signal_name(signal.value)) for signal in NeverSignal]
        gates: Choices = [(code, gate.title) for code, gate in rulebook.gates.items()]
        states: Choices = [(state.value, state_name(state.value)) for state in ConsentState]
        for names, choices in (
            (("jurisdictions", "counterparties"), places),
            (("signal",), [(_("Signals"), signals), (_("Never recorded"), never)]),
            (("consented_signals", "overrides"), signals),
            (("gates_closed",), sorted(gates, key=lambda gate: gate[1])),
            (("consent",), [NOT_SAID, *states]),
        ):
            for name in names:
                self.fields[name].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Refuse what contradicts itself; nothing that was ticked is dropped in silence."""
        said: dict[str, Any] = super().clean() or {}
        for choice, ticks in (("gates", "gates_closed"), ("others", "counterparties")):
            if said.get(ticks) and said.get(choice) != SOME:
                self.add_error(choice, _("Choose “ticked here”, or tick nothing."))
        refuse_odd_days(self, ("at", *DAYS, "received"))
        return said

    def parts(self) -> Iterator[Part]:
        """Yield the fields under their headings; a part opens when something is said in it."""
        for number, (title, names) in enumerate(PARTS):
            used = any(self[name].errors or self[name].value() for name in names)
            yield Part(title, [self[name] for name in names], open=number < OPEN or used)


def facts_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the valid form's facts as the file of `decide` has them; blanks are left out."""
    facts: dict[str, Any] = {
        "jurisdictions": said["jurisdictions"],
        "signal": said["signal"],
        "at": said["at"].isoformat(),
    }
    if said["consent"]:
        facts["consent"] = said["consent"]
    facts |= {name: said[name] == "yes" for name in FLAGS if said[name]}
    facts |= {name: said[name].isoformat() for name in DAYS if said[name]}
    facts |= {name: said[name] for name in LISTS if said[name]}
    if said["gates"]:
        facts["gates"] = said["gates_closed"] if said["gates"] == SOME else said["gates"]
    if said["others"]:
        facts["counterparties"] = said["counterparties"] if said["others"] == SOME else []
    return facts


def as_file(facts: Mapping[str, Any]) -> str:
    """Return facts as the text of a file for `manage.py decide --facts`."""
    return json.dumps(facts, indent=2, ensure_ascii=False)


class FactsFileForm(forms.Form):
    """The same facts as a file for the command line has them, gates with their days included."""

    facts = forms.CharField(
        label=gettext_lazy("Facts (JSON or YAML)"),
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "mono"}),
    )
