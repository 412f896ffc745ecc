"""Keycloak's admin API, as far as a service provider is registered by it: from its own SAML metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.interop.keycloak import Keycloak


async def register(keycloak: Keycloak, metadata: bytes, **attributes: str) -> Mapping[str, Any]:
    """A client made of this metadata, as the admin console's import makes one; what Keycloak made of it."""
    async with aiohttp.ClientSession() as http:
        form = {"client_id": "admin-cli", "username": "admin", "password": "admin", "grant_type": "password"}
        token_url = f"{keycloak.base_url}/realms/master/protocol/openid-connect/token"
        async with http.post(token_url, data=form) as answer:
            token = (await answer.json())["access_token"]
        admin, bearer = (
            f"{keycloak.base_url}/admin/realms/{keycloak.realm}",
            {"Authorization": f"Bearer {token}"},
        )
        converter = f"{admin}/client-description-converter"
        async with http.post(
            converter, data=metadata, headers={**bearer, "Content-Type": "text/plain"}
        ) as answer:
            answer.raise_for_status()
            client: dict[str, Any] = await answer.json()
        client["attributes"] |= attributes
        client["protocolMappers"] = MAPPERS
        async with http.post(f"{admin}/clients", json=client, headers=bearer) as answer:
            answer.raise_for_status()
        return client


MAPPERS = [
    {
        "name": name,
        "protocol": "saml",
        "protocolMapper": mapper,
        "config": {"attribute.name": attribute, "attribute.nameformat": "Basic", **config},
    }
    for name, mapper, attribute, config in (
        ("email", "saml-user-property-mapper", "email", {"user.attribute": "email"}),
        ("given name", "saml-user-property-mapper", "urn:oid:2.5.4.42", {"user.attribute": "firstName"}),
        ("groups", "saml-group-membership-mapper", "groups", {"full.path": "true", "single": "true"}),
    )
]
