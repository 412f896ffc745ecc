"""Connectors: one module per kind of upstream, each a delta on what it shares with others."""
