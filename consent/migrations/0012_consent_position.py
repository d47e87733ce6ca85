from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("consent", "0011_recorded_registry")]

    operations = [
        migrations.AddField(
            model_name="issuedpolicy",
            name="consent_position",
            field=models.PositiveIntegerField(null=True),
        ),
    ]
