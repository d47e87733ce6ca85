from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0017_agreement_completes'),
    ]

    operations = [
        migrations.AddField(
            model_name='subjectfact',
            name='event_time',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='subjectfact',
            name='end_recorded_at',
            field=models.DateTimeField(null=True),
        ),
    ]
