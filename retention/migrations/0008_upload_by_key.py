"""What is on its way is found by where it lies, which is of one machine and one batch."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("retention", "0007_upload")]

    operations = [
        migrations.AlterField(
            model_name="upload",
            name="batch",
            field=models.UUIDField(db_index=True),
        ),
        migrations.AlterField(
            model_name="upload",
            name="key",
            field=models.CharField(max_length=200, primary_key=True, serialize=False),
        ),
    ]
