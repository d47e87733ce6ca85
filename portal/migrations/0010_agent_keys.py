import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0010_explanation_share'),
        ('portal', '0009_key_manifests'),
    ]

    operations = [
        migrations.CreateModel(
            name='AgentKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_key', models.BinaryField(max_length=65)),
                ('key_kind', models.CharField(choices=[('ed25519', 'Ed25519'), ('p-256', 'P-256')], max_length=8)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('given_up_at', models.DateTimeField(null=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='keys', to='consent.agent')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('agent', 'public_key'), name='agent_key_once'), models.UniqueConstraint(condition=models.Q(('given_up_at__isnull', True)), fields=('agent',), name='agent_key_one_to_come')],
            },
        ),
    ]
