"""How the API reads a body: as strict JSON, and in no other way."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from portal import strictjson


class StrictJSONParser(BaseParser):
    """Reads UTF-8 whatever charset is named: RFC 8259 section 8.1 knows no other."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the body says; raises ParseError, which names what is wrong."""
        try:
            return strictjson.parse(stream.read())
        except strictjson.NotJSONError as error:
            raise ParseError(str(error)) from None
