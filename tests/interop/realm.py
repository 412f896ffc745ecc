"""Somebody who may change the realm of a Keycloak that runs: registers clients, and takes people off it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp

from tests.interop.keycloak import Keycloak

SECRET = "a-secret-of-32-characters-at-least"


class Admin:
    """Registers clients, and takes people off the realm."""

    def __init__(self, http: aiohttp.ClientSession, at: str, token: str) -> None:
        self._http, self._at, self._token = http, at, token

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        # A token of the admin console's is good for a minute: more than these tests take, each with its own.
        said = {"Authorization": f"Bearer {self._token}"}
        async with self._http.request(method, f"{self._at}{path}", json=body, headers=said) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status == 200 else None

    async def register(
        self,
        client_id: str,
        *,
        method: str = "client-secret",
        redirect_uris: Sequence[str] = ("http://127.0.0.1:8999/callback/up",),
        **attributes: str,
    ) -> None:
        """A client that is proved by ``method``, and has these attributes."""
        client = {
            "clientId": client_id,
            "secret": SECRET,
            "clientAuthenticatorType": method,
            "redirectUris": list(redirect_uris),
            "attributes": {name.replace("__", "."): value for name, value in attributes.items()},
        }
        await self._ask("POST", "/clients", client)

    async def enable(self, username: str, *, enabled: bool) -> None:
        """Whether this person may sign in."""
        person = await self._person(username)
        await self._ask("PUT", f"/users/{person['id']}", {**person, "enabled": enabled})

    async def sign_out(self, username: str) -> None:
        """End every session of this person at Keycloak, which then tells its clients."""
        person = await self._person(username)
        await self._ask("POST", f"/users/{person['id']}/logout")

    async def _person(self, username: str) -> dict[str, Any]:
        person: dict[str, Any]
        (person,) = await self._ask("GET", f"/users?exact=true&username={username}")
        return person


@contextlib.asynccontextmanager
async def administered(acme: Keycloak) -> AsyncIterator[Admin]:
    """Whoever may do that at this Keycloak, for a minute."""
    asked = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
    async with aiohttp.ClientSession() as http:
        master = f"{acme.base_url}/realms/master/protocol/openid-connect/token"
        async with http.post(master, data=asked) as response:
            token = (await response.json())["access_token"]
        yield Admin(http, f"{acme.base_url}/admin/realms/{acme.realm}", token)
