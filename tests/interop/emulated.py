"""Vendors as others emulate them (the npm packages ``emulate`` and ``auth0-simulator``), by their own names.

Owns the hosts: the broker and the browser reach ``https://accounts.google.com`` and its like through a proxy
that leads to this machine, and trust a certificate authority of the test's own. So the connectors run with
the very settings that an operator writes.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.interop.node import HERE, node
from tests.interop.processes import STARTS, free_port, free_ports, running
from tests.tls import Authority, in_front_of, proxying

HOSTS = {
    "okta": ("acme.okta.com",),
    "microsoft": ("login.microsoftonline.com", "graph.microsoft.com"),
    "github": ("github.com", "api.github.com"),
    "google": ("accounts.google.com",),
    "apple": ("appleid.apple.com",),
}
"""Each service's hosts; the first is its own name for itself."""
AUTH0 = "acme.eu.auth0.com"
ADA = "ada@acme.example"
PASSWORD = "Ada-knows-1"
TENANT = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Emulated:
    """The vendors, serving."""

    proxy: str
    authority: Authority

    @property
    def outbound(self) -> dict[str, str]:
        """What an operator writes under ``outbound`` of a connector to get there."""
        return {"ca": str(self.authority.ca), "proxy": self.proxy}


def missing() -> str | None:
    """Why nothing of this can run here, or None."""
    if node() is None or not (HERE / "node_modules" / "emulate").is_dir():
        return "the packages of tests/interop are not installed (make test does, or npm ci there)"
    return None


def seed(issuer: str) -> dict[str, Any]:
    """One person and one client at each."""

    def client(connector: str, **more: Any) -> list[dict[str, Any]]:
        uri = f"{issuer}/callback/{connector}"
        known = {"client_id": f"{connector}-client", "client_secret": f"{connector}-secret"}
        return [{**known, "redirect_uris": [uri], **more}]

    return {
        "okta": {
            "baseUrl": "https://acme.okta.com",
            "users": [{"login": ADA, "email": ADA, "first_name": "Ada", "last_name": "Example"}],
            "groups": [{"name": "Engineering", "okta_id": "00gEngineering"}],
            "authorization_servers": [{"id": "default", "name": "default", "audiences": ["api://default"]}],
            "oauth_clients": client("okta", name="Broker", auth_server_id="default"),
        },
        "microsoft": {
            "baseUrl": "https://login.microsoftonline.com",
            "users": [{"email": ADA, "name": "Ada Example", "tenant_id": TENANT}],
            "oauth_clients": client("entra", name="Broker", tenant_id=TENANT),
        },
        "github": {
            "baseUrl": "https://github.com",
            "users": [{"login": "ada", "name": "Ada Example", "email": ADA}],
            "orgs": [{"login": "acme", "name": "Acme", "members": [{"login": "ada", "role": "admin"}]}],
            "oauth_apps": client("github", name="Broker"),
        },
        "google": {
            "baseUrl": "https://accounts.google.com",
            "users": [{"email": ADA, "name": "Ada Example", "hd": "acme.example"}],
            "oauth_clients": client("google"),
        },
        "apple": {
            "baseUrl": "https://appleid.apple.com",
            "users": [{"email": "ada@icloud.com", "name": "Ada Example"}],
            "oauth_clients": client("apple", team_id="TEAM000001", name="Broker"),
        },
    }


@contextlib.asynccontextmanager
async def vendors(folder: Path, issuer: str) -> AsyncIterator[Emulated]:
    """All of them, with our broker as their client."""
    found = node()
    if found is None:
        raise RuntimeError(missing())
    first, *_ = ports = free_ports(len(HOSTS))
    written = folder / "seed.json"
    written.write_text(json.dumps(seed(issuer)))
    tool = HERE / "node_modules" / "emulate" / "dist" / "index.js"
    command = [found, tool, "start", "--seed", written, "-s", ",".join(HOSTS), "-p", str(first)]
    authority = Authority(Path(tempfile.mkdtemp(dir=folder)))
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(running(*command, cwd=folder))
        await process.says("Ready.", within=STARTS)
        await _join_engineering(first)
        places = {}
        for port, hosts in zip(ports, HOSTS.values(), strict=True):
            for host in hosts:
                front = await stack.enter_async_context(in_front_of(port, authority.server(host)))
                places[f"{host}:443"] = front
        places[f"{AUTH0}:443"] = await stack.enter_async_context(_auth0(found, folder, authority))
        yield Emulated(await stack.enter_async_context(proxying(places)), authority)


@contextlib.asynccontextmanager
async def _auth0(node: Path, folder: Path, authority: Authority) -> AsyncIterator[int]:
    """It serves https by itself, with a certificate from the home folder."""
    pair, home = authority.pair(AUTH0), folder / "home"
    certificates = home / ".simulacrum" / "certs"
    certificates.mkdir(parents=True)
    (certificates / "localhost.pem").symlink_to(pair.certificate)
    (certificates / "localhost-key.pem").symlink_to(pair.key)
    person = {"id": "auth0|ada", "name": "Ada Example", "email": ADA, "password": PASSWORD}
    port = free_port()
    asked = json.dumps({"port": port, "client_id": "auth0-client", "person": person})
    async with running(node, HERE / "auth0.mjs", asked, env={"HOME": str(home)}, cwd=HERE) as process:
        await process.says("listening", within=STARTS)
        yield port


async def _join_engineering(port: int) -> None:
    """By Okta's own API: the seed cannot say who is in a group."""
    url = f"http://127.0.0.1:{port}/api/v1/groups/00gEngineering/users/{ADA}"
    async with (
        aiohttp.ClientSession() as admin,
        admin.put(url, headers={"Authorization": "SSWS any"}) as answer,
    ):
        if answer.status >= 300:
            raise RuntimeError(f"{answer.status} {await answer.text()}")
