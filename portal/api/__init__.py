"""REST v1: what agents and programs talk to."""
