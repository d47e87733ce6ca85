"""French, as it is set in print."""
