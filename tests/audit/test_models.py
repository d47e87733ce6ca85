"""Of every column of the ledger it is known whether it tells of a person."""

import pytest
from django.apps import apps
from django.db import models

from audit.protection import TABLES

MODELS = list(apps.get_app_config("audit").get_models())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_classified_once(model: type[models.Model]) -> None:
    names = [field.name for field in model._meta.concrete_fields if field.name != "pk"]
    classes = [model.Data.personal, model.Data.pseudonymous, model.Data.plain]

    assert sorted(names) == sorted(name for group in classes for name in group)


def test_every_table_is_protected() -> None:
    assert {model._meta.db_table for model in MODELS} == set(TABLES)
