from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0014_override_reason'),
    ]

    operations = [
        migrations.AddField(
            model_name='consentevent',
            name='pack_digest',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='consentevent',
            name='pack_version',
            field=models.CharField(blank=True, default='', max_length=120),
        ),
    ]
