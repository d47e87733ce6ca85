"""Compiles the translations, and names what employees read that has none."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.management import translations


class Command(BaseCommand):
    """`manage.py translations`: gettext's own tools are not needed."""

    help = "Compile locale/*/LC_MESSAGES/django.po, and name what employees read that lacks words."

    def handle(self, **_options: Any) -> None:
        """Write each .mo beside its .po; fail where a language lacks something."""
        lacking = []
        for language in translations.languages():
            path = translations.source(language).with_suffix(".mo")
            path.write_bytes(translations.compiled(language))
            lacking += [(language, said) for said in translations.untranslated(language)]
        for language, said in lacking:
            self.stdout.write(f"{language}: {said.one}")
        if lacking:
            raise CommandError(f"{len(lacking)} texts have no translation")
        self.stdout.write("Compiled; nothing lacks a translation.")
