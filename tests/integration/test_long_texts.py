"""A text that is longer than anything takes: the page names it, and what was typed stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from portal.pages.changes.base import LONGEST
from tests import factories
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.timeout(120)
NEW = "/privacy/changes/new"


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.mark.parametrize(
    ("kind", "field", "sent"),
    [
        ("purpose.publish", "description", {"name": "Kept", "description": "y" * (LONGEST + 1)}),
        ("app.list", "matchers", {"name": "Kept", "matchers": "y" * (LONGEST + 1)}),
        (
            "notice.publish",
            "section_summary",
            {"heading": "Kept", "section_summary": "y" * (LONGEST + 1)},
        ),
    ],
)
def test_the_field_that_is_too_long_is_named_and_all_stays(
    world: factories.World, kind: str, field: str, sent: dict[str, str]
) -> None:
    answer = signed_in("privacy_officer").post(f"{NEW}/{kind}/", sent)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This has 100,001 characters, 100,000 are the most. Shorten it." in page
    assert f'href="#id_{field}"' in page
    assert sent[field] in page
    assert 'value="Kept"' in page


def test_a_text_of_just_the_length_is_taken(world: factories.World) -> None:
    sent = {"name": "Kept", "description": "y" * LONGEST}

    page = signed_in("privacy_officer").post(f"{NEW}/purpose.publish/", sent).content.decode()

    assert "are the most" not in page


@pytest.mark.parametrize("path", [f"{NEW}/gate.close/", "/you/apps/report/"])
def test_a_form_with_more_text_than_is_read_is_called_too_large(
    world: factories.World, path: str
) -> None:
    """Beside a document Django reads the texts itself, and gives up at the first too many."""
    long = {"reason": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)}

    answer = signed_in("privacy_officer", subject=world.subject).post(path, long)

    page = answer.content.decode()
    assert answer.status_code == 413
    assert "everything else in a form together 2 MB" in page
    assert "body_too_large" in page
