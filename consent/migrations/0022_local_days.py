"""Days turn at the midnights of their places: what stood as a day stands as an instant."""

from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone

FIRST = timedelta(hours=14)
"""So long before midnight in UTC a day begins where it begins first. Too early does no harm: then
the next instant is worked out, by the places."""
A_DAY = timedelta(days=1)


def begin_with_the_first_clock(apps, schema_editor):
    for name in ("Subject", "Cohort"):
        rows = _all(apps, name, schema_editor).filter(turns_at__isnull=False)
        rows.update(turns_at=models.F("turns_at") - FIRST)


def look_again_at_who_turned_lately(apps, schema_editor):
    """A day that is over or begun in UTC may not be so yet where they are: they are looked at."""
    now = timezone.now()
    lately = now.date() - A_DAY, now.date() + A_DAY
    fact = _all(apps, "SubjectFact", schema_editor).filter(
        models.Q(valid_from__range=lately) | models.Q(valid_until__range=lately)
    )
    turned = _all(apps, "Subject", schema_editor).filter(pk__in=fact.values("subject"))
    turned.update(turns_at=now - FIRST)


def _all(apps, name, schema_editor):
    """By the connection that migrates: another one would wait for it."""
    return apps.get_model("consent", name).objects.using(schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("consent", "0021_retention_conflict")]

    operations = [
        migrations.RemoveIndex(model_name="subject", name="subject_turns"),
        *(
            operation
            for model in ("subject", "cohort")
            for operation in (
                migrations.RenameField(model, "turns_on", "turns_at"),
                migrations.AlterField(model, "turns_at", models.DateTimeField(null=True)),
            )
        ),
        migrations.RunPython(begin_with_the_first_clock, migrations.RunPython.noop),
        migrations.RunPython(look_again_at_who_turned_lately, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="subject",
            index=models.Index(
                condition=models.Q(turns_at__isnull=False),
                fields=["turns_at"],
                name="subject_turns",
            ),
        ),
    ]
