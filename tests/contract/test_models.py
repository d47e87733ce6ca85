"""What the repository promises about its tables: classified, guarded, pointing down."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

OURS = ("audit", "consent", "retention", "portal")
MODELS = [model for label in OURS for model in apps.get_app_config(label).get_models()]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label)
def test_every_field_says_whether_it_identifies_a_person(model: Any) -> None:
    sets = (model.Data.personal, model.Data.pseudonymous, model.Data.plain)
    said = [name for group in sets for name in group]
    names = {field.name for field in model._meta.concrete_fields}

    assert sorted(said) == sorted(set(said)), "a field stands in two classes"
    assert set(said) == names


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m._meta.label)
def test_foreign_keys_point_down(model: Any) -> None:
    for field in model._meta.concrete_fields:
        if field.is_relation:
            target = field.related_model._meta.app_label
            if target in OURS:
                assert OURS.index(target) <= OURS.index(model._meta.app_label), field


def test_the_guard_knows_every_table() -> None:
    from audit.protection import TABLES as AUDIT_TABLES
    from portal.guard import TABLES

    known = {table.name for table in TABLES} | set(AUDIT_TABLES)
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}

    assert tables - known == set()


def test_the_database_holds_exactly_the_guards_that_are_listed(database: Any) -> None:
    from portal.guard import TABLES

    triggers = set(
        database.sql(
            "SELECT c.relname::text, t.tgname::text FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgparentid = 0"
        )
    )

    for table in TABLES:
        assert ((table.name, "audit_requires_entry") in triggers) is table.governed, table.name
        assert ((table.name, "audit_append_only") in triggers) is table.append_only, table.name
    assert ("consent_notice", "consent_notice_final") in triggers
    assert ("retention_batch", "retention_batch_held") in triggers


def test_migrations_are_complete(database: Any) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
