"""A look-up by many keys in one parameter: `field__among=keys`.

`in` writes a placeholder for each key, so that every number of keys is another statement, which is
built, split and planned anew. An array is one value, and the statement always the same.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigAutoField, ForeignKey, Lookup
from django.db.models.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    _Lookup = Lookup[Any]
else:
    _Lookup = Lookup


def array_of(numbers: Iterable[int]) -> str:
    """Return whole numbers as PostgreSQL writes an array of them: `{1,2,3}`.

    One string, which is quoted in one go; a list would be quoted number by number.
    """
    return f"{{{','.join(map(str, numbers))}}}"


class Keys:
    """Keys to come, in a statement that is made before they are known."""


KEYS: Final = Keys()


class Among(_Lookup):
    """Whether a key, whole and 64 bits wide, is one of a collection of such; none of none is."""

    lookup_name = "among"

    def get_prep_lookup(self) -> str | Keys:
        """Return the keys as one value; those to come as they are."""
        return KEYS if self.rhs is KEYS else array_of(self.rhs)

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Return the condition, and its parameters."""
        key, params = self.process_lhs(compiler, connection)
        return f"{key} = ANY(%s::bigint[])", (*params, self.rhs)


for kind in (BigAutoField, ForeignKey):
    kind.register_lookup(Among)
