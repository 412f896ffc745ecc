"""The connector kit."""
