from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0015_event_pack'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='policyacknowledgement',
            name='acknowledged_once',
        ),
        migrations.AddConstraint(
            model_name='policyacknowledgement',
            constraint=models.UniqueConstraint(fields=('agent', 'version', 'purged'), name='acknowledged_once'),
        ),
    ]
