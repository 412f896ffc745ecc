"""The HTTP endpoints: one module each, and what they share in `http`, `cookies`, `flow` and `middleware`."""
