"""The broker itself, as an operator runs it: ``broker serve --config FILE``, a process of its own.

Owns the configuration that these tests share: an issuer on loopback, an embedded store, a client app.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.processes import STARTS, Talking, free_port, running

APP = "http://127.0.0.1:9/app"
"""Where the client app would be; nobody listens there, since the browser stops before it."""
APP_SECRET = "the-app-and-the-broker-know-it"

TRUSTED_APP: Mapping[str, Any] = {
    "client_name": "Billing",
    "client_secret": APP_SECRET,
    "redirect_uris": [APP],
    "post_logout_redirect_uris": [APP],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid profile email offline_access staff",
    "trusted": True,
}
SCOPES = {"staff": {"description": "See your groups and roles", "claims": ["groups", "roles"]}}


@dataclass(frozen=True)
class Served:
    """A broker that serves."""

    issuer: str
    process: Talking

    def callback(self, connector: str) -> str:
        """Where this connector's upstream sends the browser back to."""
        return f"{self.issuer}/callback/{connector}"


def address() -> str:
    """An issuer for a broker that is not started yet."""
    return f"http://127.0.0.1:{free_port()}"


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    issuer: str,
    *,
    connectors: Mapping[str, Mapping[str, Any]],
    clients: Mapping[str, Mapping[str, Any]],
    **more: Any,
) -> AsyncIterator[Served]:
    """A broker with these connectors and clients while the block lasts; all it writes lies in the folder."""
    config = {
        "issuer": issuer,
        "listen": issuer.removeprefix("http://"),
        "store": {"url": "embedded"},
        "state_dir": str(folder / "state"),
        # Those behind it are real, and may be starting still, or held up with the machine.
        "outbound": {"allow_networks": ["127.0.0.0/8"], "timeout": "60s"},
        "scopes": SCOPES,
        "connectors": connectors,
        "clients": clients,
        **more,
    }
    path = folder / "broker.yaml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
    path.chmod(0o600)
    async with running(sys.executable, "-m", "broker", "serve", "--config", path) as process:
        await process.says('"serving"', within=STARTS)
        yield Served(issuer, process)
