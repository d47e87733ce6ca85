"""What people chose and what follows from it."""
