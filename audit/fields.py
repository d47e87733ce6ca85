"""Column types and database expressions that Django does not bring."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _NumberField = models.Field[int, int]
else:
    _NumberField = models.Field


class Xid8Field(_NumberField):
    """PostgreSQL's 64-bit transaction number."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        """Return the column type."""
        return "xid8"

    def from_db_value(self, value: Any, *_: Any) -> int | None:
        """Return the number; the driver hands it over as text."""
        return None if value is None else int(value)


class ClockTimestamp(models.Func):
    """The database's clock now, not at the transaction's start."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()
    allowed_default = True


class CurrentXid(models.Func):
    """The number of the transaction that is under way."""

    function = "pg_current_xact_id"
    template = "%(function)s()"
    output_field = Xid8Field()
    allowed_default = True


class LeafHash(models.Func):
    """RFC 6962's leaf hash, computed by the database itself."""

    template = r"sha256('\x00'::bytea || %(expressions)s)"
    output_field = models.BinaryField()
