"""As Django's own French, but thousands stand apart by the narrow space that print has there."""

THOUSAND_SEPARATOR = "\N{NARROW NO-BREAK SPACE}"
