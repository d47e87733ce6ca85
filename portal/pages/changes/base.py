"""What every form for a change has: a title, a sentence, and the payload it stands for."""

from typing import Any, ClassVar

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

Words = str | Promise


class ChangeForm(forms.Form):
    """A form whose cleaned data become the payload of a proposal."""

    title: ClassVar[Words] = ""
    lead: ClassVar[Words] = ""

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

    def payload(self) -> dict[str, Any]:
        """Return what is proposed, as JSON; only after `is_valid()`."""
        return {name: value for name, value in self.cleaned_data.items() if name != "effective_at"}
