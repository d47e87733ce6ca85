"""Where captured data lies and when it must be gone."""
