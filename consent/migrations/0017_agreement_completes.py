from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0016_acknowledged_purge'),
    ]

    operations = [
        # Until now each agreement spoke for whom others leave out: those recorded go on doing so.
        migrations.AddField(
            model_name='agreement',
            name='completes',
            field=models.BooleanField(default=True),
        ),
        migrations.AlterField(
            model_name='agreement',
            name='completes',
            field=models.BooleanField(default=False),
        ),
    ]
