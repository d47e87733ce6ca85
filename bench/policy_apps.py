"""Applications to compare with: the server's own limit, and the portal without its fast way."""

import os
from typing import Any, Final

ALWAYS: Final = {
    "type": "http.response.start",
    "status": 304,
    "headers": [(b"etag", b'"x"'), (b"cache-control", b"private, no-cache")],
}


async def constant(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer 304 to everything: what the server could do if an answer cost nothing."""
    if scope["type"] == "http":
        await send(ALWAYS)
        await send({"type": "http.response.body", "body": b""})


def __getattr__(name: str) -> Any:
    """Make Django's application when a server asks for it, with every middleware, as before."""
    if name != "plain":
        raise AttributeError(name)
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    os.environ["SAYSO_DATABASE_POOL"] = "yes"
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
