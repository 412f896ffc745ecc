"""Connectors: one module per kind of upstream, each a delta on what it shares with others."""

from importlib.resources import files


def claims_map(name: str) -> str:
    """The text of the claims map that comes with a connector of ours."""
    return files(__name__).joinpath("claims", f"{name}.yaml").read_text(encoding="utf-8")
