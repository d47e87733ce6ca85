"""What every form for a change has: a title, a sentence, and the payload it stands for."""

import re
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.exceptions import ChangeUnfit, ConsentError
from portal.pages.changes.words import label

PARTS: Final = re.compile(r"\w+")
"""The parts of a key such as `fields.matchers`."""
PATH: Final = re.compile(r"[a-z_]+(\.[\w-]+)*")
WHOLE: Final = "payload"
LONGEST: Final = 100_000
"""Characters that a text may have: more is a document, and no browser cuts it off unseen."""

Words = str | Promise


class ChangeForm(forms.Form):
    """A form whose cleaned data become the payload of a proposal."""

    title: ClassVar[Words] = ""
    lead: ClassVar[Words] = ""
    submit: ClassVar[Words] = gettext_lazy("Propose")
    first: ClassVar[str] = ""
    """The field that has to be known before the others can begin with what stands."""
    nothing: ClassVar[Words] = ""
    """What the page says where there is nothing that this could be about."""

    effective_at = forms.DateTimeField(
        label=gettext_lazy("Takes effect (UTC)"),
        required=False,
        help_text=gettext_lazy("Leave empty: as soon as everybody who must agree has agreed."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        when = self.fields.pop("effective_at")  # inherited fields come first; this one is last
        self.fields["effective_at"] = when

    def clean(self) -> dict[str, Any]:
        """Write line breaks as the core takes them: a browser sends two characters for each."""
        said: dict[str, Any] = super().clean() or {}
        self._refuse_longest()
        for name, value in said.items():
            if isinstance(value, str):
                said[name] = value.replace("\r\n", "\n")
        return said

    def _refuse_longest(self) -> None:
        """Name each text that is too long, whatever else is wrong with it."""
        for name, field in self.fields.items():
            length = len(self.data.get(self.add_prefix(name), ""))
            if isinstance(field, forms.CharField) and length > LONGEST:
                self.errors.pop(name, None)
                self.add_error(name, _too_long(length))

    def chosen(self) -> "ChangeForm":
        """Return this form, or only its first question while that has no answer."""
        if self.first and not self.is_bound and not self.initial.get(self.first):
            self.fields = {self.first: self.fields[self.first]}
        return self

    def is_about_nothing(self) -> bool:
        """Say whether one of its choices has nothing to choose from."""
        return any(
            isinstance(field, forms.ModelChoiceField)
            and field.required
            and field.queryset is not None
            and not field.queryset.exists()
            for field in self.fields.values()
        )

    def add_refusal(self, refusal: ConsentError) -> None:
        """Say why the change cannot be: at the field that it is about, where this form has it."""
        if not isinstance(refusal, ChangeUnfit):
            self.add_error(None, f"{refusal.detail} {refusal.next_step}")
            return
        key, _colon, why = refusal.detail.partition(": ")
        if not PATH.fullmatch(key):
            key, why = WHOLE, refusal.detail
        name = next((part for part in PARTS.findall(key) if part in self.fields), None)
        said = why if name or key == WHOLE else f"{label(key)}: {why}"
        sentence = f"{capfirst(said).rstrip('.')}."
        self.add_error(name, sentence if name else f"{sentence} {refusal.next_step}")

    def payload(self) -> dict[str, Any]:
        """Return what is proposed, as JSON; only after `is_valid()`."""
        return {name: value for name, value in self.cleaned_data.items() if name != "effective_at"}


def _too_long(characters: int) -> ValidationError:
    return ValidationError(
        _("This has %(said)s characters, %(most)s are the most. Shorten it.")
        % {"said": f"{characters:,}", "most": f"{LONGEST:,}"}
    )
