"""PostgreSQL and Valkey: where they are, and how to run them from their wheels when nobody does."""
