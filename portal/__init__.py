"""The composition root and the only HTTP surface."""
