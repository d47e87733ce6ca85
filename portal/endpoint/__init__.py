"""The policy endpoint: answering polls fast, and never from what may be out of date.

Why that holds is in docs/explanation/freshness.md.
"""
