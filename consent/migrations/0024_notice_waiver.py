import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0023_told_pauses'),
    ]

    operations = [
        migrations.CreateModel(
            name='NoticeWaiver',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('agreed', models.BooleanField()),
                ('told_on', models.DateField()),
                ('event_time', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('notice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='waivers', to='consent.notice')),
                ('subject', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notice_waivers', to='consent.subject')),
            ],
            options={
                'indexes': [models.Index(fields=['subject', 'notice', '-id'], name='waiver_newest_first')],
            },
        ),
    ]
