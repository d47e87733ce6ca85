import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("retention", "0006_visible")]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("batch", models.UUIDField(primary_key=True, serialize=False)),
                ("store", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=200)),
                ("until", models.DateTimeField()),
                ("next_at", models.DateTimeField()),
                (
                    "given_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["next_at"], name="upload_to_settle")],
            },
        ),
    ]
