"""Registers the retention package and what it does when consent ends."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """Batches, their admission, and their end."""

    name = "retention"
    verbose_name = "Retention"

    def ready(self) -> None:
        """Owe deletions, and shorter terms, in the same transaction as what calls for them."""
        from consent import hooks
        from retention import services

        hooks.on_consent_changed(services.owe_deletion)
        hooks.on_capture_struck(services.owe_struck)
        hooks.on_person_moved(services.owe_after_move)
        hooks.on_app_protected(services.owe_protected)
        hooks.on_terms_shortened(services.owe_after_shortening)
