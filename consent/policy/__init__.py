"""The pure core: facts in, decision with reasons out. Imports no framework."""
