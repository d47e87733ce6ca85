from django.db import migrations

# The public OAuth client that every capture agent uses for the device flow (RFC 8628). It has no
# secret: what counts is the person's approval in the browser.
CLIENT = """
INSERT INTO allauth_idp_oidc_client
  (id, name, secret, scopes, default_scopes, type, grant_types, redirect_uris, cors_origins,
   allow_uri_wildcards, response_types, skip_consent, created_at)
VALUES
  ('sayso-agent', 'Sayso capture agent', '!', 'openid', 'openid', 'public',
   'urn:ietf:params:oauth:grant-type:device_code', '', '', false, '', true, statement_timestamp())
ON CONFLICT (id) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0002_cache"),
        ("allauth_idp_oidc", "0003_client_allow_uri_wildcards"),
    ]

    operations = [
        migrations.RunSQL(CLIENT, "DELETE FROM allauth_idp_oidc_client WHERE id = 'sayso-agent'")
    ]
