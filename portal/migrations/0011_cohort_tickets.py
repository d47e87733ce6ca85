import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('consent', '0010_explanation_share'),
        ('portal', '0010_agent_keys'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='enrolmentticket',
            name='ticket_bound',
        ),
        migrations.RemoveConstraint(
            model_name='servicetoken',
            name='scope_known',
        ),
        migrations.AddField(
            model_name='enrolmentticket',
            name='cohort',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='consent.cohort'),
        ),
        migrations.AlterField(
            model_name='servicetoken',
            name='scope',
            field=models.CharField(choices=[('facts', 'Facts'), ('tickets', 'Tickets')], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='enrolmentticket',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cohort', None), ('places', 1), ('serial_sha256__isnull', False), ('site', '')), models.Q(('cohort', None), ('serial_sha256__isnull', True), models.Q(('site', ''), _negated=True)), models.Q(('cohort__isnull', False), ('serial_sha256__isnull', True), ('site', '')), _connector='OR'), name='ticket_bound'),
        ),
        migrations.AddConstraint(
            model_name='servicetoken',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ['facts', 'tickets'])), name='scope_known'),
        ),
    ]
