"""Places that hold captured bytes: the file store that comes with Sayso, and S3."""

from pathlib import Path

from django.conf import settings

from retention.exceptions import StoreFailed
from retention.stores.base import Address, Evidence, Store, Stored, holds
from retention.stores.files import FileStore
from retention.stores.s3 import S3Place, S3Store

__all__ = ["Address", "Evidence", "FileStore", "S3Store", "Store", "Stored", "holds", "store_named"]


def store_named(name: str) -> Store:
    """Return the configured store; raises StoreFailed for a name the settings do not know."""
    config = dict(settings.STORES.get(name, {}))
    match config.pop("kind", None):
        case "filesystem":
            return FileStore(name, Path(config["root"]))
        case "s3":
            return S3Store(name, S3Place(**config))
        case _:
            raise StoreFailed(f"No store named {name!r} is configured.")
