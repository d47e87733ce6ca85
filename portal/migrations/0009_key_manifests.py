import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0008_service_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='policykey',
            name='revoked_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name='KeyManifest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.BigIntegerField(unique=True)),
                ('root', models.CharField(max_length=43)),
                ('token', models.TextField()),
                ('expires_at', models.DateTimeField()),
                ('loaded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
        ),
    ]
