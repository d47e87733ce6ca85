import django.db.models.deletion
from django.db import migrations, models

PROPOSAL = {"null": True, "on_delete": django.db.models.deletion.PROTECT, "related_name": "+", "to": "consent.proposal"}


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0018_facts_known_since'),
    ]

    operations = [
        migrations.AddField(
            model_name='consentevent',
            name='cohort_policy',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='consent.cohortpolicy'),
        ),
        migrations.AddField('gateevidence', 'proposal', models.ForeignKey(**PROPOSAL)),
        migrations.AddField('signaloverride', 'proposal', models.ForeignKey(**PROPOSAL)),
    ]
