from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0012_consent_position'),
    ]

    operations = [
        migrations.AddField(
            model_name='purpose',
            name='retired_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name='purpose',
            constraint=models.CheckConstraint(condition=models.Q(('published_at__isnull', True), ('retired_at__isnull', True), _connector='OR'), name='purpose_asks_or_is_retired'),
        ),
    ]
