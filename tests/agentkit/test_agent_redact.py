"""What is masked in text, and that no piece of a number slips through a cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent.redact import luhn, redact, secure_field

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        (f"pay with {CARD} today", "pay with [card] today"),
        ("4111-1111-1111-1111", "[card]"),
        ("4111111111111111", "[card]"),
        ("4111\u00a01111\u20091111\u202f1111", "[card]"),
        ("4111\u200b1111\u200b1111\u200b1111", "[card]"),
        ("４１１１ １１１１ １１１１ １１１１", "[card]"),  # noqa: RUF001  full-width, on purpose
        ("item 12 4111 1111 1111 1111 7", "item [card]"),
        ("amex 3782 822463 10005.", "amex [card]."),
        ("write to ana.example@example.com, please", "write to [email], please"),
        ("<ana@example.com>", "<[email]>"),
        ("ana＠example.com", "[email]"),  # noqa: RUF001  full-width, on purpose
        ("a@b c@d", "[email] [email]"),
        ("@everyone", "@everyone"),
        ("call +33 1 99 00 12 34.", "call [phone]."),
        ("call (415) 555-2671", "call [phone]"),
        ("call 0171 234567", "call [phone]"),
        ("DE89 3704 0044 0532 0130 00 is the account", "[iban] is the account"),
        ("to FR7630006000011234567890189", "to [iban]"),
        ("gb29 nwbk 6016 1331 9268 19", "[iban]"),
        ("DE89370400440532013000 FR7630006000011234567890189", "[iban] [iban]"),
        ("on 2026-11-20 at 10:45", "on 2026-11-20 at 10:45"),
        ("184 euros, issue 12345", "184 euros, issue 12345"),
        ("", ""),
    ],
)
def test_what_is_masked(text: str, expect: str) -> None:
    assert redact(text) == expect


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("the card is 4111 11", "the card is [digits]"),
        ("the card is 4111 ", "the card is 4111 "),
        ("mail to ana.example@", "mail to [email]"),
        ("room 12", "room 12"),
    ],
)
def test_text_that_may_go_on_loses_its_open_end(text: str, expect: str) -> None:
    assert redact(text, open_end=True) == expect


def test_text_that_was_torn_off_loses_its_open_start() -> None:
    assert redact("11 1111 and more", open_start=True) == "[digits] and more"


@given(st.text(alphabet="0123456789 -.@abGBDE+()", max_size=80))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = redact(text)

    assert redact(once) == once


@st.composite
def cards(draw: st.DrawFn) -> str:
    """A card number of any length, grouped with any separator."""
    body = draw(st.text(alphabet="0123456789", min_size=12, max_size=18))
    check = next(c for c in "0123456789" if luhn(body + c))
    gap = draw(st.sampled_from(["", " ", "-", ".", "\u00a0", " - "]))
    digits = body + check
    return gap.join(digits[i : i + 4] for i in range(0, len(digits), 4))


@given(st.text(alphabet="abc ,;", max_size=20), cards(), st.text(alphabet="abc ,;", max_size=20))
def test_no_card_number_survives_in_any_text(before: str, card: str, after: str) -> None:
    left = redact(f"{before}{card}{after}")

    assert sum(c.isdigit() for c in left) == 0


@given(st.text(max_size=300))
def test_no_address_survives_and_no_text_breaks_it(text: str) -> None:
    redact(text, open_start=True, open_end=True)

    assert "ana@example.com" not in redact(f"{text} ana@example.com {text}")


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": "password"},
        {"type": " PASSWORD "},
        {"type": "text", "data-rr-is-password": "true"},
        {"autocomplete": "cc-number"},
        {"autocomplete": "section-a billing cc-csc"},
        {"autocomplete": "one-time-code"},
        {"id": "user_password"},
        {"name": "pw"},
        {"id": "card"},
        {"id": "cardNumber"},
        {"aria-label": "IBAN"},
        {"name": "otp"},
    ],
)
def test_fields_that_take_secrets(attributes: dict[str, str]) -> None:
    assert secure_field(attributes)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"id": "summary"}, {"id": "passenger"}, {"id": "opinion"}, {"id": "discard"}],
)
def test_fields_that_do_not(attributes: dict[str, str]) -> None:
    assert not secure_field(attributes)
