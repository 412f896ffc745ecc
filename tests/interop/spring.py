"""A Spring Boot app and its two APIs: the program under `java/spring`, in two versions of Spring Boot.

Owns what its properties are told, which is what anybody's ``application.properties`` would say.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.interop import broker, jvm
from tests.interop.processes import STARTS, free_port

AUDIENCE = "https://invoices.example"
API, API_SECRET = "invoices-api", "the-api-and-the-broker-know-it"
SCOPE = "openid profile email staff invoices.read offline_access"


@dataclass(frozen=True)
class Spring:
    """One version of it, before it is started."""

    program: jvm.Program
    site: str

    @property
    def client_id(self) -> str:
        return self.program.name.replace(".", "-")

    @property
    def registered(self) -> Mapping[str, Any]:
        """Its entry in the broker's configuration."""
        return {
            **broker.TRUSTED_APP,
            "client_name": self.program.name,
            "redirect_uris": [f"{self.site}/login/oauth2/code/broker"],
            "post_logout_redirect_uris": [f"{self.site}/out"],
            "backchannel_logout_uri": f"{self.site}/logout/connect/back-channel/broker",
            "scope": SCOPE,
            "audience": AUDIENCE,
            "require_pkce": self.sends_pkce,
        }

    @property
    def sends_pkce(self) -> bool:
        """Spring Security does so by itself from its version 7 on, where the app has a secret."""
        return self.program is not jvm.SPRING_3

    def properties(self, issuer: str) -> dict[str, str]:
        """What the app is told."""
        port = self.site.rpartition(":")[2]
        client = "spring.security.oauth2.client"
        return {
            "server.address": "127.0.0.1",
            "server.port": port,
            f"{client}.provider.broker.issuer-uri": issuer,
            f"{client}.registration.broker.client-id": self.client_id,
            f"{client}.registration.broker.client-secret": broker.APP_SECRET,
            f"{client}.registration.broker.scope": SCOPE.replace(" ", ","),
            "broker.issuer": issuer,
            "broker.audience": AUDIENCE,
            "broker.api-id": API,
            "broker.api-secret": API_SECRET,
        }


def on_a_free_port(program: jvm.Program, host: str) -> Spring:
    """Where one will listen. Two of them need two names for this machine, since a cookie knows no ports."""
    return Spring(program, f"http://{host}:{free_port()}")


@contextlib.asynccontextmanager
async def serving(spring: Spring, issuer: str) -> AsyncIterator[None]:
    """The app while the block lasts; it reads the issuer's metadata when it starts."""
    told = [f"--{name}={value}" for name, value in spring.properties(issuer).items()]
    async with jvm.started(spring.program, *told) as process:
        await process.says('{"ready":true}', within=STARTS)
        yield
