from django.db import migrations

# The table of Django's database cache: allauth keeps device codes and rate limits there, so that
# signing in does not need Redis.
CACHE_TABLE = """
CREATE TABLE portal_cache (
  cache_key varchar(255) PRIMARY KEY,
  value text NOT NULL,
  expires timestamptz NOT NULL
);
CREATE INDEX portal_cache_expires ON portal_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]

    operations = [migrations.RunSQL(CACHE_TABLE, "DROP TABLE portal_cache")]
