"""Statements that are made once: for what is asked of PostgreSQL by the thousand, with other keys.

The ORM builds a query and writes its statement anew whenever it is asked, which takes longer than
PostgreSQL takes to answer it. What issuing policies asks is always the same but for its keys.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.db.models.sql.compiler import SQLCompiler

from consent.models.lookups import KEYS, Keys, array_of


class _Moment(datetime):
    """An instant that stands for one to come, wherever the ORM takes an instant."""


MOMENT: Final = _Moment(1, 1, 1, tzinfo=UTC)
Build = Callable[[Iterable[int] | Keys, datetime], QuerySet[Any, Any]]


class Prepared:
    """A query of a list of values, whose statement is made when it is asked for the first time.

    `build` gets the keys, for `field__among=keys`, and the instant, for a comparison with it; it
    is asked once, so it may not look at them.
    """

    def __init__(self, build: Build) -> None:
        self.build = build

    def rows(
        self, keys: Iterable[int] | None = None, moment: datetime | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows about these keys and this instant; raises TypeError where one lacks."""
        statement, places = self._made
        given = {id(KEYS): None if keys is None else array_of(keys), id(MOMENT): moment}
        values = [given.get(id(place), place) for place in places]
        if None in values:
            raise TypeError("the statement asks for keys or an instant that were not given")
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    @cached_property
    def _made(self) -> tuple[str, tuple[Any, ...]]:
        query = self.build(KEYS, MOMENT).query
        compiler = query.get_compiler(DEFAULT_DB_ALIAS)
        statement, places = compiler.as_sql()
        _require_plain(compiler)
        return statement, tuple(places)


def _require_plain(compiler: SQLCompiler) -> None:
    """See that values come from the driver as they are; raises TypeError where the ORM alters."""
    columns = [expression for expression, *_ in compiler.select]
    if compiler.get_converters(columns):
        raise TypeError("the ORM would convert a column of this statement")
