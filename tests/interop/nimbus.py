"""Client apps made of the Nimbus SDK: the driver under `java/nimbus`, one process.

Owns how it is spoken to; the deeds are those of `Driver.java`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from joserfc.jwk import ECKey, RSAKey

from tests.interop import jvm
from tests.interop.processes import STARTS, Talking

SDK = "Nimbus oauth2-oidc-sdk 11.38"


@dataclass(frozen=True)
class Key:
    """A key of an app's own: what it keeps, and what it tells the broker."""

    private: Mapping[str, Any]
    public: Mapping[str, Any]


def new_key(alg: str, *, use: str = "sig") -> Key:
    """One for this algorithm: RSA, or on the curve P-256."""
    about = {"kid": f"{use}-{alg}", "alg": alg, "use": use}
    elliptic = alg.startswith(("ES", "ECDH"))
    key = ECKey.generate_key("P-256") if elliptic else RSAKey.generate_key(2048)
    return Key(key.as_dict(private=True) | about, key.as_dict(private=False) | about)


@dataclass
class Refused(Exception):
    """What the SDK threw, or the error that it read in an answer."""

    name: str
    message: str
    error: str | None = None
    status: int | None = None
    cause: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.message} ({self.error or self.cause})"


class Nimbus:
    """The driver, one deed after the other."""

    def __init__(self, program: Talking) -> None:
        self._program = program
        self._answers = 0

    async def do(self, deed: str, **said: Any) -> Any:
        """Its answer to one deed.

        Raises:
            Refused: the SDK did not accept what it got, or it got an error.
        """
        self._answers += 1
        asked = {"do": deed, "no": self._answers} | {k: v for k, v in said.items() if v is not None}
        await self._program.tell(json.dumps(asked))
        answer = json.loads(await self._program.says(f'{{"no":{self._answers},'))
        if "error" in answer:
            raise Refused(**answer["error"])
        return answer["ok"]

    async def misread(self, issuer: str) -> dict[str, Any]:
        """The members of an issuer's documents that the SDK would not write again as they were, and the keys.

        It throws where one is not what it must be, and leaves out a boolean that says what its absence says.
        """
        read = await self.do("metadata", issuer=issuer)
        parts = urlsplit(issuer)
        # RFC 8414 §3.1: the path of an issuer goes behind.
        oauth = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
        openid = await _fetched(f"{issuer}/.well-known/openid-configuration")
        pairs = ((openid, read["openid"]), (await _fetched(oauth), read["oauth"]))
        wrong = {
            name: (value, kept.get(name))
            for told, kept in pairs
            for name, value in told.items()
            if value != kept.get(name, False)
        }
        published = [key["kid"] for key in (await _fetched(openid["jwks_uri"]))["keys"]]
        read_keys = [key["kid"] for key in read["keys"]]
        return wrong if published == read_keys else wrong | {"keys": (published, read_keys)}

    async def app(self, name: str, **known: Any) -> NimbusApp:
        """An app that has read the issuer's metadata; what it can know is in `App.java`."""
        await self.do("app", app=name, **known)
        return NimbusApp(self, name)


@dataclass(frozen=True)
class NimbusApp:
    """One client app of the driver's."""

    nimbus: Nimbus
    name: str

    async def do(self, deed: str, **said: Any) -> Any:
        """Its answer to one deed, or `Refused`."""
        return await self.nimbus.do(deed, app=self.name, **said)


async def _fetched(url: str) -> Any:
    async with aiohttp.request("GET", url) as answer:
        answer.raise_for_status()
        return await answer.json()


@contextlib.asynccontextmanager
async def driver() -> AsyncIterator[Nimbus]:
    """A driver that waits for its first deed."""
    async with jvm.started(jvm.NIMBUS) as program:
        await program.says('{"ready":true}', within=STARTS)
        yield Nimbus(program)
