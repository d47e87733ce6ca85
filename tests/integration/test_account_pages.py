"""The pages round signing in: ours in looks and words, and none promises what is not so."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.test import Client, override_settings

from portal import checks
from portal.models import User

pytestmark = pytest.mark.usefixtures("database")

LIBRARY = "allauth/templates"
"""Pages of the library itself lie here; none of those below may come from there."""
PAGES = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-abc/",
    "/accounts/password/reset/key/done/",
)
OWN = ("/accounts/email/", "/accounts/2fa/", "/accounts/password/change/", "/accounts/logout/")


@pytest.fixture
def person(client: Client) -> User:
    user = User.objects.create_user("kim@example.org", "x" * 12, name="Kim")
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return user


@pytest.mark.parametrize("page", PAGES)
def test_a_page_for_strangers_is_our_own(client: Client, page: str) -> None:
    answer = client.get(page)

    assert answer.status_code == 200
    assert LIBRARY not in answer.templates[0].origin.name


@pytest.mark.parametrize("page", OWN)
def test_a_page_of_an_account_is_our_own(client: Client, person: User, page: str) -> None:
    answer = client.get(page)

    assert answer.status_code == 200
    assert LIBRARY not in answer.templates[0].origin.name


def said(client: Client, page: str, **sent: str) -> str:
    """What a German reads after a form could not be taken."""
    answer = client.post(page, sent, headers={"Accept-Language": "de"})

    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_wrong_password_is_told_politely_and_with_what_to_do(
    client: Client, person: User
) -> None:
    wrong = {"password1": "x" * 13, "password2": "y" * 13}

    page = said(client, "/accounts/password/change/", oldpassword="no", **wrong)

    assert "Das ist nicht Ihr jetziges Passwort. Versuchen Sie" in page
    assert "Geben Sie beide Male dasselbe Passwort ein." in page
    client.logout()
    page = said(client, "/accounts/login/", login="kim@example.org", password="no")
    assert "oder das Passwort ist falsch. Versuchen Sie" in page


def test_a_code_of_no_machine_is_told_with_what_to_do(client: Client, person: User) -> None:
    page = client.get("/identity/o/device?code=BCDF-GHJK").content.decode()

    assert "Compare it with the one on the machine." in page
    assert "begin again on the machine" in page


def signs_in(client: Client) -> Any:
    """Go through the form, as whoever changes how they sign in must have done of late."""
    sent = {"login": "kim@example.org", "password": "x" * 12}
    return client.post("/accounts/login/", sent, follow=True)


def is_ours(answer: Any) -> bool:
    return answer.status_code == 200 and LIBRARY not in answer.templates[0].origin.name


def test_the_pages_of_second_factors_are_our_own(person: User) -> None:
    mine = Client()
    assert "You are signed in." in signs_in(mine).content.decode()
    asked = mine.get("/accounts/2fa/totp/activate/", follow=True)
    assert is_ours(asked)
    assert "Is it still you?" in asked.content.decode()
    mine.post("/accounts/reauthenticate/", {"password": "x" * 12})
    for page in ("totp/activate/", "webauthn/", "webauthn/add/"):
        assert is_ours(mine.get(f"/accounts/2fa/{page}")), page

    wrong = mine.post("/accounts/2fa/totp/activate/", {"code": "none"})
    assert is_ours(wrong)
    assert 'href="#id_code">Code from the app</a>' in wrong.content.decode()
    assert "Type in the one that your app shows now." in wrong.content.decode()

    key = Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Blue key", "credential": {}}
    )
    TOTP.activate(person, "A" * 32)
    made = mine.post("/accounts/2fa/recovery-codes/generate/", follow=True)
    assert is_ours(made)
    assert "From now on only these work." in made.content.decode()
    assert "10 codes of 10 are left" in made.content.decode()
    for page in (
        "",
        "totp/deactivate/",
        "recovery-codes/",
        "recovery-codes/generate/",
        "webauthn/",
        f"webauthn/keys/{key.pk}/edit/",
        f"webauthn/keys/{key.pk}/remove/",
    ):
        assert is_ours(mine.get(f"/accounts/2fa/{page}")), page
    assert "Blue key" in mine.get("/accounts/2fa/webauthn/").content.decode()


def test_a_wrong_second_factor_is_told_with_what_to_do(person: User) -> None:
    TOTP.activate(person, "A" * 32)
    mine = Client()
    signs_in(mine)

    page = said(mine, "/accounts/2fa/authenticate/", code="123456")

    assert "Geben Sie den ein, den Ihre App jetzt zeigt." in page


def test_who_has_no_key_reads_so_in_words(person: User) -> None:
    mine = Client(headers={"Accept-Language": "de"})
    signs_in(mine)

    none = mine.get("/accounts/2fa/").content.decode()
    for name in ("Blue", "Red"):
        Authenticator.objects.create(
            user=person, type=Authenticator.Type.WEBAUTHN, data={"name": name, "credential": {}}
        )
    two = mine.get("/accounts/2fa/").content.decode()

    assert "Sie haben keine hinzugefügt." in none
    assert "0 Schlüssel" not in none
    assert "2 Schlüssel." in two


def test_the_second_step_of_signing_in_is_our_own(person: User) -> None:
    TOTP.activate(person, "A" * 32)
    codes = RecoveryCodes.activate(person).get_unused_codes()
    mine = Client(headers={"Accept-Language": "de"})

    asked = signs_in(mine)
    wrong = mine.post("/accounts/2fa/authenticate/", {"code": "none"})
    right = mine.post("/accounts/2fa/authenticate/", {"code": codes[0]}, follow=True)

    assert is_ours(asked)
    assert "Ihr zweiter Faktor" in asked.content.decode()
    assert is_ours(wrong)
    assert "Sie sind angemeldet." in right.content.decode()


def test_without_mail_no_page_promises_one(client: Client) -> None:
    for page in ("/accounts/password/reset/", "/accounts/password/reset/done/"):
        said = client.get(page).content.decode()
        assert "This portal sends no mail" in said
        assert "Send me the link" not in said
        assert "on its way" not in said


@override_settings(SENDS_MAIL=True)
def test_with_mail_a_link_can_be_asked_for(client: Client) -> None:
    assert "Send me the link" in client.get("/accounts/password/reset/").content.decode()
    assert "on its way" in client.get("/accounts/password/reset/done/").content.decode()


def test_nobody_changes_the_address_that_facts_are_loaded_under(
    client: Client, person: User
) -> None:
    wanted = {"email": "chief@example.org", "action_add": ""}

    assert client.post("/accounts/email/", wanted).status_code == 405

    said = client.get("/accounts/email/").content.decode()
    assert "kim@example.org" in said
    assert 'name="email"' not in said
    person.refresh_from_db()
    assert person.email == "kim@example.org"


@pytest.mark.parametrize("page", ["/accounts/email/", "/accounts/confirm-email/MQ:abc/"])
def test_a_stranger_is_shown_no_address(client: Client, page: str) -> None:
    assert client.get(page).status_code == 302


def test_the_check_asks_where_the_privacy_team_is_reached() -> None:
    with override_settings(PRIVACY_CONTACT=""):
        assert [advice.id for advice in checks.contact_is_said(None)] == ["sayso.W003"]
    with override_settings(PRIVACY_CONTACT="privacy@firm.example"):
        assert checks.contact_is_said(None) == []


def test_no_address_is_made_up() -> None:
    assert settings.PRIVACY_CONTACT == ""
