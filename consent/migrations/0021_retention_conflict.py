import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0020_policy_switches'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetentionConflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uuid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('jurisdictions', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=8), size=None)),
                ('floor_days', models.PositiveIntegerField()),
                ('cap_days', models.PositiveIntegerField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('ended_at', models.DateTimeField(null=True)),
                ('purpose', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='conflicts', to='consent.purpose')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('jurisdictions', 'purpose', 'floor_days', 'cap_days'), name='one_open_task_a_conflict'),
                    models.CheckConstraint(condition=models.Q(('floor_days__gt', models.F('cap_days'))), name='floor_is_above_the_cap'),
                ],
            },
        ),
    ]
