"""A real JupyterHub behind its own proxy, that signs people in with oauthenticator."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop import node, strangers
from tests.interop.processes import STARTS, free_port, free_ports, running

CONFIG = node.HERE / "apps" / "jupyterhub_config.py"
PROXY = "configurable-http-proxy"
API_TOKEN, PROXY_TOKEN = "the-tests-ask-the-hub", "the-hub-tells-the-proxy"


@dataclass(frozen=True)
class Hub:
    """Where it serves."""

    site: str

    async def users(self) -> dict[str, dict[str, Any]]:
        """Everybody whom it knows, by name, as its API tells it."""
        async with aiohttp.ClientSession(headers={"Authorization": f"token {API_TOKEN}"}) as http:
            async with http.get(f"{self.site}/hub/api/users") as answer:
                names = [user["name"] for user in await answer.json()]
            users = {}
            for name in names:
                async with http.get(f"{self.site}/hub/api/users/{name}") as answer:
                    users[name] = await answer.json()
            return users


def missing() -> str | None:
    """Why none can run here, or None."""
    if not strangers.PYTHON.exists():
        return "no environment for apps in Python (.ci/machine makes it)"
    return node.missing()


def address() -> str:
    """Where one will be reached that is not started yet."""
    return f"http://127.0.0.1:{free_port()}"


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    site: str,
    *,
    issuer: str,
    client_id: str,
    client_secret: str,
    allowed_groups: Sequence[str],
    admin_groups: Sequence[str],
) -> AsyncIterator[Hub]:
    """One at that address while the block lasts."""
    port = int(site.rpartition(":")[2])
    proxy_port, hub_port = free_ports(2)
    asked = {
        "folder": str(folder),
        "port": port,
        "hub_port": hub_port,
        "proxy_port": proxy_port,
        "api_token": API_TOKEN,
        "proxy_token": PROXY_TOKEN,
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": client_secret,
        "allowed_groups": list(allowed_groups),
        "admin_groups": list(admin_groups),
    }
    secrets = {"CONFIGPROXY_AUTH_TOKEN": PROXY_TOKEN, "JUPYTERHUB_CRYPT_KEY": "5e" * 32}
    listens = [
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
        "--api-ip",
        "127.0.0.1",
        "--api-port",
        str(proxy_port),
    ]
    program = f"node_modules/{PROXY}/bin/{PROXY}"
    async with node.program(
        program, *listens, "--default-target", f"http://127.0.0.1:{hub_port}", env=secrets
    ):
        hub = [strangers.PYTHON, "-m", "jupyterhub", "--config", CONFIG]
        env = {**secrets, "ASKED": json.dumps(asked)}
        async with running(*hub, env=env, cwd=folder) as process:
            await process.says("JupyterHub is now running", within=STARTS)
            yield Hub(site)
