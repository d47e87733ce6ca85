"""A machine's code, however a person types it and on whichever of the two pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.integration.test_device_limits import start
from tests.integration.ticketing import at_site, browser_of, enrol, ticket, world_of_tickets

DEVICE, FLEET = "/identity/o/device", "/you/machines/approve/"
BETWEEN = st.sampled_from(["", " ", "-", "\u2013", " - ", "\t", "."])
LETTERS = st.sampled_from("BCDFGHJKLMNPQRSTVWXZbcdfghjklmnpqrstvwxz")


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    from portal.pages import approve

    approve.buckets.cache_clear()
    return world_of_tickets(settings)


@pytest.fixture
def employee(world: factories.World) -> Client:
    return browser_of("a@example.org", subject=world.subject)


def typed(client: Client, page: str, code: str) -> Any:
    answer = client.get(page, {"code": code}, follow=True)
    answer.text_shown = " ".join(answer.content.decode().split())
    return answer


@given(st.data(), st.sampled_from([8, 12]))
def test_any_way_to_write_a_code_is_read_as_the_machine_shows_it(
    data: st.DataObject, length: int
) -> None:
    from portal.pages.codes import as_shown

    letters = [data.draw(LETTERS) for _ in range(length)]
    written = "".join(data.draw(BETWEEN) + letter for letter in letters) + data.draw(BETWEEN)

    upper = "".join(letters).upper()
    shown = "-".join(upper[start : start + 4] for start in range(0, length, 4))
    assert as_shown(written) == as_shown(shown) == shown


@given(st.text())
def test_whatever_is_typed_is_a_code_or_nothing(text: str) -> None:
    from portal.pages.codes import TYPED, as_shown

    code = as_shown(text)

    assert code == "" or TYPED.fullmatch(code)
    assert as_shown(code) == code


@pytest.mark.parametrize("change", [str.lower, lambda code: code.replace("-", ""), " {} ".format])
def test_a_code_is_found_however_it_is_typed(employee: Client, change: Any) -> None:
    code = start().json()["user_code"]

    page = typed(employee, DEVICE, change(code))

    assert 'value="confirm"' in page.text_shown
    assert f'<p class="code">{code}</p>' in page.text_shown


@pytest.mark.parametrize("page", [DEVICE, FLEET])
@pytest.mark.parametrize("code", ["BCDF-GHJK", "BCDF-GHJK-LMNP", "A" * 300, "<b>ü!"])
def test_what_no_machine_shows_is_kept_and_told_at_its_field(
    employee: Client, page: str, code: str
) -> None:
    from django.utils.html import escape

    answer = typed(employee, page, code)

    assert f'value="{escape(code)}"' in answer.text_shown
    assert '<a href="#id_code">' in answer.text_shown, "the fault leads to the field"
    assert 'aria-invalid="true"' in answer.text_shown
    assert "Compare it with the one on the machine." in answer.text_shown


@pytest.mark.parametrize("page", [DEVICE, FLEET])
def test_an_empty_code_is_asked_for(employee: Client, page: str) -> None:
    assert "Type in the code that the machine shows." in typed(employee, page, " ").text_shown
    assert "could not be taken" not in employee.get(page).content.decode()


def test_each_page_knows_the_codes_of_the_other(world: factories.World, employee: Client) -> None:
    """Who looks for where to type a code finds one of the two, and is led on from it."""
    at_site(world.subject)
    waits = enrol(ticket()[1]).said["code"]
    asks = start().json()["user_code"]

    there = typed(employee, DEVICE, waits.lower().replace("-", " "))
    back = typed(employee, FLEET, asks)

    assert there.request["PATH_INFO"] == FLEET
    assert f'<p class="code">{waits}</p>' in there.text_shown
    assert 'value="confirm"' in there.text_shown
    assert back.request["PATH_INFO"] == DEVICE
    assert f'<p class="code">{asks}</p>' in back.text_shown


def test_whom_a_machine_was_not_meant_for_is_led_to_what_is_known_of_them(employee: Client) -> None:
    waits = enrol(ticket()[1]).said["code"]

    answer = employee.post(FLEET, {"code": waits, "action": "confirm"})

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "was meant for people of the site north" in page
    assert 'href="/you/facts/"' in page
    assert f'value="{waits}"' in page
