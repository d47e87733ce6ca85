from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0006_fill_listings'),
    ]

    operations = [
        migrations.AddField(
            model_name='agreement',
            name='working_hours',
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name='setting',
            name='key',
            field=models.CharField(max_length=100, unique=True),
        ),
    ]
