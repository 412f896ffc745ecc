"""The contract of the kit, over the connector `ldap` and a real OpenLDAP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from broker.connector import Secret, UpstreamIdentity
from broker.kit import ConnectorKit, FakeProvider
from broker.kit.stage import Login, Stage, opened
from tests.interop.directory import BASE, BIND_DN, BIND_PASSWORD, SLAPD, directory

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SLAPD is None, reason="no slapd here: install Debian's package slapd"),
]


class TestLdap(ConnectorKit):
    against: ClassVar = "OpenLDAP 2.5"

    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[Stage]:
        async with directory(tmp_path) as served:
            entry = {
                "type": "ldap",
                "url": served.tls,
                "ca": str(served.ca),
                "bind_dn": BIND_DN,
                "bind_password": BIND_PASSWORD,
                "user_search": {
                    "base_dn": f"ou=people,{BASE}",
                    "filter": "(objectClass=inetOrgPerson)",
                    "username_attribute": ["uid"],
                    "attributes": ["cn", "mail"],
                },
            }
            async with opened(FakeProvider(), {"up": entry}) as stage:
                yield stage

    async def sign_in(self, stage: Stage, login: Login) -> UpstreamIdentity:
        await login.begin()
        typed = {"username": Secret("ada"), "password": Secret("ada's password")}
        said = await stage.upstream.answer(login.pending, login.state, typed)
        assert isinstance(said, UpstreamIdentity)
        return said
