import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds only: a ticket made before stays as it is, of no set, with the places it was given."""

    dependencies = [
        ('portal', '0014_published_counts'),
    ]

    operations = [
        migrations.CreateModel(
            name='TicketSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('label', models.CharField(max_length=80)),
                ('request', models.UUIDField(unique=True)),
                ('asked_sha256', models.BinaryField(max_length=32)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
        migrations.AddField(
            model_name='enrolmentticket',
            name='ticket_set',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tickets', to='portal.ticketset'),
        ),
        migrations.AddField(
            model_name='enrolmentticket',
            name='number',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='enrolmentticket',
            name='shown_again_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='enrolmentticket',
            name='label',
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddConstraint(
            model_name='enrolmentticket',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('number', None), ('ticket_set', None)), models.Q(('number__isnull', False), ('places', 1), ('ticket_set__isnull', False)), _connector='OR'), name='ticket_single_use'),
        ),
        migrations.AddConstraint(
            model_name='enrolmentticket',
            constraint=models.UniqueConstraint(fields=('ticket_set', 'number'), name='ticket_number_once'),
        ),
    ]
