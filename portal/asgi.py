"""The web process: polls of agents first, then bodies, then static files, then Django."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("SAYSO_DATABASE_POOL", "yes")

from django.conf import settings
from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from portal.endpoint.asgi import PolicyFirst
from portal.intake import BodiesFirst

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

_django = get_asgi_application()
_files = ServeStaticASGI(
    _django,
    root=settings.STATIC_ROOT if Path(settings.STATIC_ROOT).is_dir() else None,
    prefix=settings.STATIC_URL,
)
# From what address somebody asks through a proxy is of no matter to polls: they are ahead of it.
application = PolicyFirst(
    ProxyHeadersMiddleware(
        cast("ASGI3Application", BodiesFirst(_files)),
        trusted_hosts=os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1"),
    )
)
