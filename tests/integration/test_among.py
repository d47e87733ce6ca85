"""Keys looked up by one array are those that a list of them finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories


@pytest.fixture
def people(database: Any) -> list[int]:
    world = factories.make_world()
    return [world.another_subject().pk for _ in range(4)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.integers(0, 3)), beside=st.sets(st.integers(10**6, 2**62), max_size=3))
def test_an_array_finds_what_a_list_finds(
    people: list[int], places: list[int], beside: set[int]
) -> None:
    from consent.models import PersonalPolicy, Subject

    keys = [people[place] for place in places] + sorted(beside)

    of_a_key = Subject.objects.filter(pk__among=keys)
    through_another = PersonalPolicy.objects.filter(subject__among=iter(keys))
    by_the_other_table = PersonalPolicy.objects.filter(subject__pk__among=keys)
    left_out = Subject.objects.filter(pk__in=people).exclude(pk__among=set(keys))

    wanted = {people[place] for place in places}
    assert set(of_a_key.values_list("pk", flat=True)) == wanted
    assert set(through_another.values_list("subject_id", flat=True)) == wanted
    assert set(by_the_other_table.values_list("subject_id", flat=True)) == wanted
    assert set(left_out.values_list("pk", flat=True)) == set(people) - wanted


def test_the_statement_is_the_same_for_any_number_of_keys(database: Any) -> None:
    from consent.models import Subject

    texts = {
        Subject.objects.filter(pk__among=keys).query.sql_with_params()[0]
        for keys in ([], [1], list(range(1, 97)))
    }

    assert len(texts) == 1
