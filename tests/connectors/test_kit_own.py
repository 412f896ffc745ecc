"""The contract of the kit, over the connectors whose upstream is no OAuth 2.0 provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from broker.connector import Secret, UpstreamIdentity
from broker.kit import ConnectorKit, FakeProvider
from broker.kit.serving import form_fields
from broker.kit.stage import ISSUER, Clock, Login, Stage, opened
from broker.store import PoolPerson, Store
from broker.upstreams import in_store
from tests.fakes.saml import FakeIdp
from tests.flow.own_logins import HASHED, PASSWORD

NOBODY: Any = None
"""No upstream answers over HTTP."""


class Stored(ConnectorKit):
    """With rooms in a real store."""

    @pytest.fixture
    async def stage(self, store: Store) -> AsyncIterator[Stage]:
        idp = FakeProvider()  # which nobody runs, and nobody asks
        async with opened(
            idp, {"up": dict(self.connector)}, rooms=lambda now: in_store(store, now, login=600)
        ) as stage:
            self.store = store
            await self.prepared(store, stage.now)
            yield stage

    async def prepared(self, store: Store, now: Clock) -> None:
        """What must be there before anybody signs in."""


class TestPool(Stored):
    connector: ClassVar = {"type": "pool"}

    async def prepared(self, store: Store, now: Clock) -> None:
        ada = PoolPerson(
            id="id-of-ada",
            username="ada",
            password_hash=HASHED,
            claims={"name": "Ada Example"},
            since=now(),
            password_since=now(),
        )
        await store.add_person("up", "ada", ada)

    async def sign_in(self, stage: Stage, login: Login) -> UpstreamIdentity:
        await login.begin()
        typed = {"username": Secret("ada"), "password": Secret(PASSWORD)}
        said = await stage.upstream.answer(login.pending, login.state, typed)
        assert isinstance(said, UpstreamIdentity)
        return said


class TestCustom(Stored):
    connector: ClassVar = {
        "type": "custom",
        "login_url": "https://login.acme.example/",
        "client_id": "page",
        "client_secret": "p" * 40,
    }

    async def sign_in(self, stage: Stage, login: Login) -> UpstreamIdentity:
        login_id = parse_qs(urlsplit(await login.begin()).query)["login_id"][0]
        page = stage.upstream.hands_off
        assert page is not None
        decided = page.accepted({"subject": "ann", "context": {"name": "Ann"}})
        await self.store.decide_hand_off("up", login_id, decided)
        return await login.finish({})


class TestSaml(Stored):
    @pytest.fixture
    async def stage(self, store: Store) -> AsyncIterator[Stage]:
        metadata = f"{ISSUER}/connectors/up/metadata"
        async with FakeIdp.running(acs=f"{ISSUER}/callback/up", sp_entity_id=metadata) as idp:
            entry = {
                "type": "saml",
                "metadata_url": f"{idp.base}/metadata",
                "idp_certificates": [idp.signing.pem],
            }
            nobody = FakeProvider()
            async with opened(
                nobody, {"up": entry}, rooms=lambda now: in_store(store, now, login=600)
            ) as stage:
                idp.now = stage.now
                yield stage

    async def sign_in(self, stage: Stage, login: Login) -> UpstreamIdentity:
        async with aiohttp.ClientSession() as browser, browser.get(await login.begin()) as page:
            return await login.finish(form_fields(await page.text()))
