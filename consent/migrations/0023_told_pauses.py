"""The names that machines gave the pauses they told of: told again, they change nothing."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0022_local_days'),
    ]

    operations = [
        migrations.CreateModel(
            name='ToldPause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('ref', models.UUIDField(editable=False)),
                ('after_version', models.BigIntegerField()),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('subject', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='consent.subject')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('subject', 'ref'), name='told_pause_once')],
            },
        ),
    ]
