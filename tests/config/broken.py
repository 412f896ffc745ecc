"""A module that fails while it is imported."""

NEVER = 1 / 0
