"""The ways in, by their names in the published schema; `openapi` says what each of them is."""

from typing import Any, Final

AGENT: Final = "agentToken"
APPROVAL: Final = "approval"
SERVICE: Final = "serviceToken"
LOGIN: Final = "login"

# `extend_schema` takes these and says in its types that it takes texts.
BY_AGENT: Final[Any] = [{AGENT: []}]
BY_APPROVAL: Final[Any] = [{APPROVAL: []}]
