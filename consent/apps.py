"""Registers the consent package with Django."""

from django.apps import AppConfig


class ConsentConfig(AppConfig):
    """People's choices, and what bounds them."""

    name = "consent"
    verbose_name = "Consent"
