"""The ledger as a Django app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The append-only ledger; it knows none of the other packages."""

    name = "audit"
    verbose_name = "Ledger"
    default_auto_field = "django.db.models.BigAutoField"
