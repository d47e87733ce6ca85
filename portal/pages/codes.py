"""A machine's code as a person types it: read however it is written, and sent where it belongs."""

import re
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy

from portal.accounts import NO_SUCH_CODE
from portal.fleet.tickets import CODE_LENGTH

BETWEEN: Final = re.compile(r"[\s\u2010-\u2015._-]+")
"""What people write between the groups of letters, or paste along with them."""
TYPED: Final = re.compile(r"(?:[0-9A-Z]{4}-)+[0-9A-Z]{4}")
GROUP: Final = 4
OF_DEVICE: Final = 8 + 1
OF_FLEET: Final = CODE_LENGTH + CODE_LENGTH // GROUP - 1
"""How long each is, with its dashes: the codes of the device flow and those of tickets."""


class CodeForm(forms.Form):
    """The code that a machine shows."""

    code = forms.CharField(
        label=gettext_lazy("The code that the machine shows"),
        error_messages={"required": gettext_lazy("Type in the code that the machine shows.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )


def as_shown(typed: str) -> str:
    """Return the code as the machine shows it; empty where no machine can show such a code."""
    letters = BETWEEN.sub("", typed).upper()
    code = "-".join(letters[start : start + GROUP] for start in range(0, len(letters), GROUP))
    return code if TYPED.fullmatch(code) and len(code) in {OF_DEVICE, OF_FLEET} else ""


def to_page(name: str, code: str) -> HttpResponse:
    """Send the person to the page that knows this code."""
    answer = redirect(name)
    answer["Location"] += "?" + urlencode({"code": code})
    return answer


def refused(data: Any, error: Any = NO_SUCH_CODE) -> CodeForm:
    """Return the form with what was typed, and why that does not do."""
    form = CodeForm(data)
    if form.is_valid():
        form.add_error("code", error)
    return form
