from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0013_purpose_retired_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='signaloverride',
            name='reason',
            field=models.CharField(blank=True, default='', max_length=500),
        ),
    ]
