from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("retention", "0005_protected_apps")]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="visible",
            field=models.JSONField(default=dict),
        ),
    ]
