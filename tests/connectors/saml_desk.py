"""The connector `saml` on its own, before the fake identity provider."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from broker.connector import Departure, Login, Tools, UpstreamIdentity
from connectors import saml
from tests.connectors.desk import Desk
from tests.fakes.saml import FakeIdp

SP = "https://broker.example/connectors/up/metadata"
ACS = "https://broker.example/callback/up"
LOGIN = Login(redirect_uri=ACS, state="st" * 20, nonce="n", code_verifier="v" * 43)


class SamlDesk(Desk):
    """The tools of one connector; its clock stands where the test puts it."""

    def __init__(self, idp: FakeIdp) -> None:
        super().__init__({}, {})
        self.idp, self.time, self.used, self._names = idp, time.time(), set[str](), count()
        self.fetched = 0
        self.times: dict[str, float] = {}
        idp.now = lambda: self.time
        self._held: bytes | None = None

    @property
    def tools(self) -> Tools:
        return replace(
            super().tools, now=lambda: self.time, fresh=lambda: f"fresh-{next(self._names)}", once=self.once
        )

    async def once(self, name: str, *, ttl: float) -> bool:
        first = name not in self.used
        self.used.add(name)
        self.times[name] = ttl
        return first

    async def file(self, url: str) -> bytes:
        """As it was when it was fetched last."""
        return await self.newer_file(url) if self._held is None else self._held

    async def newer_file(self, url: str) -> bytes:
        self.fetched += 1
        self._held = self.idp.metadata()
        return self._held


def settings(idp: FakeIdp, **keys: Any) -> saml.Settings:
    """What an operator writes to pin this identity provider."""
    usual: dict[str, Any] = {"metadata_url": f"{idp.base}/metadata", "idp_certificates": [idp.signing.pem]}
    said = {name: value for name, value in {**usual, **keys}.items() if value is not None}
    return saml.Settings.model_validate(said)


def opened(idp: FakeIdp | None = None, **keys: Any) -> tuple[saml.Connector, SamlDesk]:
    """A connector, and the desk it works at."""
    idp = idp or FakeIdp()
    desk = SamlDesk(idp)
    return saml.Connector(settings(idp, **keys), desk.tools), desk


async def signed_in(
    connector: saml.Connector, desk: SamlDesk, *, login: Login = LOGIN, **switches: Any
) -> UpstreamIdentity:
    """A login to its end, with an answer that these switches spoil."""
    departure = await connector.begin(login)
    return await answered(connector, desk, departure, login=login, **switches)


async def answered(
    connector: saml.Connector, desk: SamlDesk, departure: Departure, *, login: Login = LOGIN, **switches: Any
) -> UpstreamIdentity:
    """The answer to this departure."""
    response = desk.idp.respond(departure.memory["request"], **switches)
    return await brought(connector, departure.memory, {"SAMLResponse": response}, login=login)


async def brought(
    connector: saml.Connector, memory: Mapping[str, str], answer: Mapping[str, str], *, login: Login = LOGIN
) -> UpstreamIdentity:
    """What the browser brings back."""
    return await connector.finish(login, {"RelayState": login.state, **answer}, memory)
