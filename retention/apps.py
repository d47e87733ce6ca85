"""Registers the retention package and what it does when consent ends."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """Batches, their admission, and their end."""

    name = "retention"
    verbose_name = "Retention"

    def ready(self) -> None:
        """Owe deletions in the same transaction as a decision that ends a consent."""
        from consent import hooks
        from retention import services

        hooks.on_consent_changed(services.owe_deletion)
