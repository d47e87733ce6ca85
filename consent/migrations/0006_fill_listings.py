"""Writes down, for each pair of a yes given so far, the entry of the list it was asked for by."""

from django.db import migrations

# Each statement by itself: a pending check of a foreign key would forbid the last one. Cohorts are
# made to look anew, since their documents now name the entries.
FILL = (
    "ALTER TABLE consent_consentscope DISABLE TRIGGER USER",
    """
    UPDATE consent_consentscope s SET listing_id = (
      SELECT min(a.id) FROM consent_allowlistentry a
      WHERE a.purpose_id = e.purpose_id AND a.app_id = s.app_id AND a.signal = s.signal
        AND (a.delisted_at IS NULL OR a.delisted_at > e.recorded_at))
    FROM consent_consentevent e WHERE e.id = s.event_id AND s.listing_id IS NULL
    """,
    "SET CONSTRAINTS ALL IMMEDIATE",
    "ALTER TABLE consent_consentscope ENABLE TRIGGER USER",
    "UPDATE consent_cohort SET rulebook = ''",
)


class Migration(migrations.Migration):

    dependencies = [
        ("consent", "0005_listing_of_a_yes"),
    ]

    operations = [migrations.RunSQL(list(FILL), migrations.RunSQL.noop)]
