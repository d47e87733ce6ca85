"""The web process: polls of agents first, then bodies, then static files, then Django."""

import os
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("SAYSO_DATABASE_POOL", "yes")

from django.conf import settings
from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI

from portal.endpoint.asgi import PolicyFirst
from portal.intake import BodiesFirst

_django = get_asgi_application()
application = PolicyFirst(
    BodiesFirst(
        ServeStaticASGI(
            _django,
            root=settings.STATIC_ROOT if Path(settings.STATIC_ROOT).is_dir() else None,
            prefix=settings.STATIC_URL,
        )
    )
)
