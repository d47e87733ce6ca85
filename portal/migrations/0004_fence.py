import django.db.models.functions.datetime
from django.db import migrations, models

# The one row of the fence. Its empty epoch says that nothing reads from Redis yet.
ROW = """
INSERT INTO portal_fence (id, epoch, server, database) VALUES (1, '', '', '')
ON CONFLICT (id) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_agent_client")]

    operations = [
        migrations.CreateModel(
            name="Fence",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(
                        default=1, primary_key=True, serialize=False
                    ),
                ),
                ("epoch", models.CharField(blank=True, max_length=32)),
                ("server", models.CharField(blank=True, max_length=120)),
                ("database", models.CharField(blank=True, max_length=120)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="fence_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Unmarked",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=32)),
                (
                    "recorded_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
        ),
        migrations.RunSQL(ROW, migrations.RunSQL.noop),
    ]
