"""An operator's desk: files in a folder, loaded as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from broker.config import Config, ConfigError, load

TYPE = "tests.config.upstream"

SOUND = f"""\
issuer: https://login.acme.example
state_dir: state
connectors:
  staff:
    type: {TYPE}
    name: Staff
    client_id: broker
clients:
  billing:
    client_name: Billing
    client_secret: something long
    redirect_uris: [https://billing.acme.example/callback]
"""


class Desk:
    """Files that an operator wrote, and what the broker makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        path.chmod(mode)
        return path

    def load(
        self, text: str | None = None, environ: Mapping[str, str] | None = None, *, thorough: bool = False
    ) -> Config:
        if text is not None:
            self.write("broker.yaml", text)
        return load(self.folder / "broker.yaml", environ or {}, thorough=thorough)

    def mistakes(
        self, text: str | None = None, environ: Mapping[str, str] | None = None, *, thorough: bool = False
    ) -> list[str]:
        """Every line that the operator reads, with the folder's own name cut away; empty when all is well."""
        try:
            self.load(text, environ, thorough=thorough)
        except ConfigError as error:
            return [str(problem).replace(f"{self.folder}/", "") for problem in error.problems]
        return []
