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
        for name, value in said.items():
            if isinstance(value, str):
                said[name] = value.replace("\r\n", "\n")
        return said

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

    def payload(self) -> dict[str, Any]:
        """Return what is proposed, as JSON; only after `is_valid()`."""
        return {name: value for name, value in self.cleaned_data.items() if name != "effective_at"}
