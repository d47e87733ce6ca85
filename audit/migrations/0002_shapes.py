"""What the shape of a row may be, where Django has no words for it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE audit_entry
              ADD CONSTRAINT audit_entry_body_fits CHECK (octet_length(body) BETWEEN 2 AND 16384),
              ADD CONSTRAINT audit_entry_body_says_type
                CHECK (convert_from(body, 'UTF8')::json ->> 'type' = type),
              ADD CONSTRAINT audit_entry_imported_when CHECK (NOT imported OR event_time IS NOT NULL)
            """,
            """
            ALTER TABLE audit_entry DROP CONSTRAINT audit_entry_body_fits,
              DROP CONSTRAINT audit_entry_body_says_type, DROP CONSTRAINT audit_entry_imported_when
            """,
        ),
        migrations.RunSQL(
            """
            ALTER TABLE audit_tile
              ADD CONSTRAINT audit_tile_whole_hashes
                CHECK (octet_length(data) BETWEEN 32 AND 8192 AND octet_length(data) % 32 = 0),
              ALTER COLUMN data SET STORAGE EXTERNAL
            """,
            """
            ALTER TABLE audit_tile DROP CONSTRAINT audit_tile_whole_hashes,
              ALTER COLUMN data SET STORAGE EXTENDED
            """,
        ),
        migrations.RunSQL(
            """
            ALTER TABLE audit_leaf ADD CONSTRAINT audit_leaf_chain_is_hash
              CHECK (octet_length(chain) = 32)
            """,
            "ALTER TABLE audit_leaf DROP CONSTRAINT audit_leaf_chain_is_hash",
        ),
    ]
