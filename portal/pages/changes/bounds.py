"""Forms for agreements, gates, exceptions, rules and settings."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import selectors
from consent.models import Agreement, App, GateEvidence, Purpose, SignalOverride
from consent.policy.types import Signal
from consent.rules import rulebook
from consent.selectors.settings import KNOBS
from portal.pages.changes import fields
from portal.pages.changes.base import ChangeForm, Words
from portal.pages.changes.hours import (
    HoursField,
    clean_zone,
    holidays_field,
    hours_payload,
    zone_field,
)
from portal.pages.changes.values import SETTINGS, place_name
from portal.pages.rulewords import LABELS, gate_title
from portal.templatetags.words import SIGNALS, plain

SEVERAL = gettext_lazy("Separated by commas.")


class _Dated(ChangeForm):
    valid_from = forms.DateField(
        label=gettext_lazy("From"),
        widget=fields.DAY,
        help_text=gettext_lazy("A day begins and ends at midnight where the people are."),
    )
    valid_until = forms.DateField(
        label=gettext_lazy("Until (not included)"), widget=fields.DAY, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a time that runs backwards."""
        said: dict[str, Any] = super().clean() or {}
        since, until = said.get("valid_from"), said.get("valid_until")
        if since and until and until <= since:
            self.add_error("valid_until", _("This day must lie after the first one."))
        return said

    def dates(self) -> dict[str, str | None]:
        """Return both days as the payload says them."""
        until = self.cleaned_data["valid_until"]
        return {
            "valid_from": self.cleaned_data["valid_from"].isoformat(),
            "valid_until": until.isoformat() if until else None,
        }


class RecordAgreement(_Dated):
    """A works agreement as caps."""

    title: ClassVar[Words] = gettext_lazy("Record an agreement")
    lead: ClassVar[Words] = gettext_lazy(
        "An agreement narrows, so it acts at once and a second person looks at it afterwards. One"
        " that replaces another, or speaks for whom others leave out, waits for its votes."
    )
    submit: ClassVar[Words] = gettext_lazy("Record")
    field_order = ["code", "name", "parties"]

    code = forms.RegexField(
        label=gettext_lazy("Number"),
        regex=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$",
        max_length=60,
        error_messages={
            "invalid": gettext_lazy("Letters, digits, dots, colons and hyphens only; no blanks.")
        },
    )
    name = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    parties = forms.CharField(label=gettext_lazy("Parties"), max_length=200)
    document = fields.DocumentField()
    jurisdictions = fields.places(gettext_lazy("Places"))
    sites = forms.CharField(label=gettext_lazy("Sites"), required=False, help_text=SEVERAL)
    purposes = fields.NamedFields(
        label=gettext_lazy("Purposes it is about (none ticked: all)"),
        queryset=Purpose.objects.all(),
        to_field_name="code",
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    apps = fields.NamedFields(
        label=gettext_lazy("Apps it permits (none ticked: it does not say)"),
        queryset=App.objects.order_by("name"),
        to_field_name="code",
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    signals = fields.signals(
        gettext_lazy("Signals it permits (none ticked: it does not say)"), required=False
    )
    retention_cap_days = forms.IntegerField(
        label=gettext_lazy("Kept at most, in days"), min_value=1, required=False
    )
    hours = HoursField(
        help_text=gettext_lazy(
            "Outside of these nothing is recorded: one line for days with the same hours, such as"
            " mon-fri 08:00-18:00. Leave empty: the agreement does not say."
        )
    )
    zone = zone_field()
    closed_on_holidays = holidays_field()
    council_may_veto = forms.BooleanField(
        label=gettext_lazy("The works council must agree to what widens"), required=False
    )
    council_units = forms.CharField(
        label=gettext_lazy("Units whose council is asked"), required=False, help_text=SEVERAL
    )
    replaces = fields.NamedField(
        label=gettext_lazy("Replaces"),
        queryset=Agreement.objects.filter(replaced_by__isnull=True),
        to_field_name="code",
        empty_label=gettext_lazy("none"),
        required=False,
    )
    completes = forms.BooleanField(
        label=gettext_lazy("It completes the agreements there are"),
        help_text=gettext_lazy(
            "It speaks for people and purposes that those leave out, and its document counts as"
            " evidence for them. Not ticked: what they leave out stays off."
        ),
        required=False,
    )

    def clean_zone(self) -> str:
        """Refuse what is no time zone."""
        return clean_zone(self.cleaned_data["zone"])

    def clean(self) -> dict[str, Any]:
        """Ask for the units wherever the council has a say."""
        said = super().clean()
        if said.get("council_may_veto") and not said.get("council_units", "").strip():
            self.add_error("council_units", _("Name at least one unit whose council is asked."))
        return said

    def payload(self) -> dict[str, Any]:
        """Return the agreement under the names of the change."""
        said = self.cleaned_data
        return {
            "code": said["code"],
            "title": said["name"],
            "parties": said["parties"],
            "jurisdictions": said["jurisdictions"],
            "sites": fields.words(said["sites"]),
            "purposes": [purpose.code for purpose in said["purposes"]],
            "apps": [app.code for app in said["apps"]],
            "signals": said["signals"],
            "retention_cap_days": said["retention_cap_days"],
            "working_hours": hours_payload(said),
            "document_sha256": said["document"],
            "council_may_veto": said["council_may_veto"],
            "council_units": fields.words(said["council_units"]),
            "replaces": said["replaces"].code if said["replaces"] else None,
            "completes": said["completes"],
            **self.dates(),
        }


def _known_gates() -> set[str]:
    """Return the codes of all steps that a rule in force may ask for."""
    return {*rulebook().gates, "counsel_signoff"}


class CloseGate(_Dated):
    """Evidence that a required step was taken."""

    title: ClassVar[Words] = gettext_lazy("Bring evidence for a required step")
    lead: ClassVar[Words] = gettext_lazy("The step counts as done while the document is valid.")

    purpose = fields.purposes()
    jurisdiction = fields.place()
    gate = forms.ChoiceField(label=gettext_lazy("Step"))
    document_title = forms.CharField(label=gettext_lazy("Title of the document"), max_length=200)
    document = fields.DocumentField()
    not_applicable_reason = forms.CharField(
        label=gettext_lazy("If it does not apply: why"), max_length=200, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        steps = [(code, gate_title(code, rulebook())) for code in _known_gates()]
        steps.sort(key=lambda step: step[1].casefold())
        self.fields["gate"].choices = [("", fields.CHOOSE), *steps]  # type: ignore[attr-defined]
        gate = self.initial.get("gate")
        if gate and not self.is_bound:
            self._ask_only_where_it_may_not_apply(gate)

    def _ask_only_where_it_may_not_apply(self, gate: str) -> None:
        """Leave the question out for a step that always applies; else say what it depends on."""
        if condition := _condition(gate):
            words = _("Only where this is not so: %(condition)s.") % {"condition": condition}
            self.fields["not_applicable_reason"].help_text = words
        else:
            del self.fields["not_applicable_reason"]

    def clean(self) -> dict[str, Any]:
        """Refuse a place no rule in force knows, and a way out that the step does not have."""
        said = super().clean()
        if (place := said.get("jurisdiction")) and place not in rulebook().rows:
            self.add_error("jurisdiction", _("This place is not in the rules."))
        gate = said.get("gate")
        if gate and said.get("not_applicable_reason") and not _condition(gate):
            words = _("This step always applies. Leave this empty and name the document.")
            self.add_error("not_applicable_reason", words)
        return said

    def payload(self) -> dict[str, Any]:
        """Return the evidence under the names of the change."""
        said = self.cleaned_data
        return {
            "purpose": said["purpose"].code,
            "gates": [[said["jurisdiction"], said["gate"]]],
            "document_title": said["document_title"],
            "document_sha256": said["document"],
            "not_applicable_reason": said["not_applicable_reason"],
            **self.dates(),
        }


def _condition(gate: str) -> str | None:
    """Return what a step depends on; None where it always applies."""
    text = rulebook().gates.get(gate)
    return text.condition if text else None


class EvidenceField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at runtime
    """A choice of evidence by its place, its step and its document."""

    def label_from_instance(self, obj: Any) -> str:
        """Return how one is named in the list."""
        place, step = place_name(obj.jurisdiction), gate_title(obj.gate, rulebook())
        return f"{place}: {step}, {obj.document_title}"


class ReopenGate(ChangeForm):
    """Evidence taken back."""

    title: ClassVar[Words] = gettext_lazy("Take evidence back")
    lead: ClassVar[Words] = gettext_lazy("The step counts as open at once.")
    submit: ClassVar[Words] = gettext_lazy("Take it back")
    nothing: ClassVar[Words] = gettext_lazy("No evidence stands that could be taken back.")

    evidence = EvidenceField(
        label=gettext_lazy("Evidence"),
        queryset=GateEvidence.objects.filter(reopening__isnull=True).order_by("jurisdiction"),
        empty_label=fields.CHOOSE,
    )

    def payload(self) -> dict[str, Any]:
        """Return which evidence it is."""
        return {"evidence": [self.cleaned_data["evidence"].pk]}


class GrantOverride(_Dated):
    """The signed exception that a law asks for."""

    title: ClassVar[Words] = gettext_lazy("Grant an exception for a signal")
    lead: ClassVar[Words] = gettext_lazy(
        "Where a law restricts a signal, a signed document can allow it until a day."
    )

    field_order = ["purpose", "jurisdiction", "signal", "valid_from", "valid_until"]

    purpose = fields.purposes()
    jurisdiction = fields.place(help_text=gettext_lazy("Whose rules restrict it."))
    signal = forms.ChoiceField(
        label=gettext_lazy("Signal"), choices=[(s.value, SIGNALS[s.value]) for s in Signal]
    )
    reason = forms.CharField(
        label=gettext_lazy("Why it is needed"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    document_title = forms.CharField(label=gettext_lazy("Title of the document"), max_length=200)
    document = fields.DocumentField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        until, months = self.fields["valid_until"], rulebook().meta.exception_months
        until.required = True
        until.help_text = _("%(months)d months after it begins, at the latest.") % {
            "months": months
        }

    def payload(self) -> dict[str, Any]:
        """Return the exception under the names of the change."""
        said = self.cleaned_data
        return {
            "purpose": said["purpose"].code,
            "jurisdiction": said["jurisdiction"],
            "signal": said["signal"],
            "reason": said["reason"],
            "document_title": said["document_title"],
            "document_sha256": said["document"],
            **self.dates(),
        }


class OverrideField(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at runtime
    """A choice of exceptions by their place, signal and document."""

    def label_from_instance(self, obj: Any) -> str:
        """Return how one is named in the list."""
        place = place_name(obj.jurisdiction)
        return f"{place}: {SIGNALS[obj.signal]}, {obj.document_title}"


class RevokeOverride(ChangeForm):
    """An exception taken back."""

    title: ClassVar[Words] = gettext_lazy("Take an exception back")
    lead: ClassVar[Words] = gettext_lazy("The signal is denied at once where it needs one.")
    submit: ClassVar[Words] = gettext_lazy("Take it back")
    nothing: ClassVar[Words] = gettext_lazy("No exception stands that could be taken back.")

    override = OverrideField(
        label=gettext_lazy("Exception"),
        queryset=SignalOverride.objects.filter(revocation__isnull=True).order_by("jurisdiction"),
        to_field_name="uuid",
        empty_label=fields.CHOOSE,
    )

    def payload(self) -> dict[str, Any]:
        """Return which exception it is."""
        return {"override": str(self.cleaned_data["override"].uuid)}


class AdoptRules(ChangeForm):
    """Shipped rules that differ from those in force."""

    title: ClassVar[Words] = gettext_lazy("Adopt the shipped rules")
    lead: ClassVar[Words] = gettext_lazy(
        "Until they are adopted, the stricter of the old and the new rule counts."
    )
    nothing: ClassVar[Words] = gettext_lazy("None differs: the shipped rules are those in force.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        codes = forms.MultipleChoiceField(
            label=_("Files that differ"),
            choices=[(row.code, _loosens(row)) for row in selectors.unadopted_rules()],
            widget=forms.CheckboxSelectMultiple,
        )
        self.fields = {"codes": codes, **self.fields}

    def is_about_nothing(self) -> bool:
        """Say whether no file differs."""
        return not self.fields["codes"].choices  # type: ignore[attr-defined]


def _loosens(row: selectors.Unadopted) -> str:
    """Return a file by its place, with what adopting it would make looser."""
    if not row.loosens:
        return _("%(place)s: loosens nothing") % {"place": place_name(row.code)}
    keys = ", ".join(str(LABELS.get(key, plain(key))) for key in row.loosens)
    return _("%(place)s: loosens %(keys)s") % {"place": place_name(row.code), "keys": keys}


class ChangeSetting(ChangeForm):
    """A setting of the whole organisation."""

    title: ClassVar[Words] = gettext_lazy("Change a setting")

    key = forms.ChoiceField(label=gettext_lazy("Setting"))
    value = forms.IntegerField(label=gettext_lazy("New value"), min_value=0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].choices = [  # type: ignore[attr-defined]
            (key, _knob(key, label)) for key, label in SETTINGS.items()
        ]


def _knob(key: str, label: Words) -> str:
    """Return a setting with what is in force and how far it may go."""
    knob = KNOBS[key]
    return _("%(label)s: now %(now)d, from %(least)d to %(most)d") % {
        "label": label,
        "now": selectors.setting(key),
        "least": knob.least,
        "most": knob.most,
    }
