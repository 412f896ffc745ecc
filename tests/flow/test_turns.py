"""No request keeps the others waiting, be it the largest that is legal or the dearest that can be made.

Measured is the CPU of one turn of the event loop, which a busy machine does not stretch as it does time.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from broker.jose import SigningKey
from tests.costs import least_cpu
from tests.flow.broker import CALLBACK, CHALLENGE, Broker
from tests.flow.conftest import Start
from tests.flow.machines import EXCHANGE, JWT_BEARER, SCOPES, TYPE, basic
from tests.flow.registering import APP

LONGEST = 1_400_000
"""A turn costs less than counting so far, which takes some 50 ms. The dearest takes a tenth of that."""
TRIES = 5
FULL = 62 * 1024
"""Bytes: a body has at most 64 kB."""
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
KEY = SigningKey.generate("ES256")
SIGNER = {
    "client_secret": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [KEY.public_jwk()]},
}
CONFIG: dict[str, Any] = {
    "registration": {"policy": "open", "per_address": 1000},
    "scopes": SCOPES,
    "authorization_details_types": {
        "payment": {"description": "Pay", "fields": {"amount": {"type": "string"}}}
    },
    "trusted_proxies": {"networks": ["127.0.0.1/32"], "client_certificate_header": "Client-Cert"},
}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def jws(header: dict[str, Any], said: dict[str, Any]) -> str:
    """What looks signed, and is not."""
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(said).encode())}.{b64(bytes(64))}"


def rsa_jwk(bits: int) -> dict[str, Any]:
    """A number as good as any: nobody has to have the key."""
    return {"kty": "RSA", "n": b64((1 << (bits - 1) | 1).to_bytes(bits // 8, "big")), "e": "AQAB"}


BY_SIGNER = {"iss": "signer", "sub": "signer", "client_id": "signer"}
LONG = jws({"alg": "ES256", "kid": KEY.kid}, BY_SIGNER | {"x": "y" * 44_000})
MANY = jws({"alg": "ES256", "kid": KEY.kid}, BY_SIGNER | {f"n{n}": [] for n in range(3000)})
DEEP = "[" * 10_000 + "]" * 10_000
WORDS = " ".join(f"w{n}" for n in range(9000))
REQUEST = {
    "client_id": "billing",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
ASKED: dict[str, dict[str, str]] = {
    "scopes": {"scope": WORDS},
    "claims": {"claims": json.dumps({"userinfo": {f"c{n}": {"values": ["a"]} for n in range(800)}})},
    "details": {"authorization_details": json.dumps([{"type": "payment", "amount": "1" * 300}] * 20)},
    "nested": {"authorization_details": DEEP, "claims": DEEP},
    "locales": {"ui_locales": WORDS},
    "acr_values": {"acr_values": WORDS},
    "a signed request": {"request": LONG},
    "many members signed": {"request": MANY, "client_id": "signer"},
    "hint": {"id_token_hint": LONG},
    "state": {"state": "s" * FULL},
    "login_hint": {"login_hint": "ä" * 9000},
    "parameters": {f"p{n}": "v" * 600 for n in range(80)},
    "resource": {"resource": "https://api.example/" + "a" * 60_000},
}
SHOWN: dict[str, dict[str, str]] = {
    "assertion": {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": MANY,
    },
    "exchange": {"grant_type": EXCHANGE, "subject_token": LONG, "subject_token_type": TYPE + "id_token"},
    "bearer": {"grant_type": JWT_BEARER, "assertion": MANY},
    "code": {"grant_type": "authorization_code", "code": "c" * FULL},
    "refresh": {"grant_type": "refresh_token", "refresh_token": "c" * FULL},
    "device": {"grant_type": DEVICE, "device_code": "d" * FULL},
    "token": {"token": MANY},
    "opaque": {"token": "t" * FULL},
    "user_code": {"user_code": "B" * FULL},
    "logout_token": {"logout_token": MANY},
}
REGISTERED: dict[str, dict[str, Any]] = {
    "keys": {"jwks": {"keys": [rsa_jwk(8192) | {"kid": str(n)} for n in range(20)]}},
    "name": {"client_name": "ﷺ" * 20_000},
    "languages": {f"client_name#a-{n}": "n" for n in range(2000)},
    "contacts": {"contacts": [f"a{n}@b.example" for n in range(3000)]},
    "addresses": {"redirect_uris": ["https://a.example/" + f"{n:02}" * 480 for n in range(20)]},
    "scope": {"scope": "x " * 30_000},
    "statement": {"software_statement": MANY},
}
HEADERS: dict[str, str] = {
    "Accept-Language": ",".join(f"a-{n};q=0.{n % 9}" for n in range(1300)),
    "Accept": ",".join(["a/b"] * 3900),
    "Cookie": "; ".join(f'c{n}="{n}"' for n in range(1200)),
    "Client-Cert": ":" + "A" * 15_000 + ":",
    "X-Forwarded-For": ",".join(["1.2.3.4"] * 1900),
    "Origin": "https://" + "a" * 15_000,
    "User-Agent": "ä" * 7000,
    "Authorization": "Bearer " + MANY[:15_000],
    "DPoP": jws({"typ": "dpop+jwt", "alg": "PS256", "jwk": rsa_jwk(4096)}, {"htu": "/.." * 600}),
}


@pytest.fixture
async def busy(start: Start) -> Broker:
    grants = ["authorization_code", "refresh_token", "client_credentials", DEVICE]
    clients = {"signer": SIGNER, "tv": {"grant_types": grants, "authorization_details_types": ["payment"]}}
    return await start(top=CONFIG, clients=clients)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The CPU of each turn from now on."""
    found, run = list[float](), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        found.append(time.thread_time() - began)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return found


@pytest.fixture(scope="module")
def bound() -> float:
    """Seconds of CPU that a turn may take on this machine."""
    return least_cpu(lambda: sum(1 for _ in range(LONGEST)))


async def is_short(
    turns: list[float], bound: float, broker: Broker, method: str, path: str, **how: Any
) -> bool:
    """Whether all turns of some try are: what is done once, or is a pause of the machine, comes once."""
    for _ in range(TRIES):
        turns.clear()
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, broker.issuer + path, allow_redirects=False, **how) as answer,
        ):
            await answer.read()
            assert answer.status < 500
        if max(turns) < bound:
            return True
    return False


@pytest.mark.row("DS-14")
@pytest.mark.parametrize("path", ["/authorize", "/par", "/device_authorization", "/logout"])
async def test_whatever_is_asked_for_takes_one_short_turn(
    busy: Broker, turns: list[float], bound: float, path: str
) -> None:
    headers = {} if path in {"/authorize", "/logout"} else basic("tv")
    for what, changes in ASKED.items():
        form = urlencode(REQUEST | {"client_id": "tv"} | changes)
        how = {"data": form, "headers": headers | {"Content-Type": "application/x-www-form-urlencoded"}}
        assert await is_short(turns, bound, busy, "POST", path, **how), what


@pytest.mark.row("DS-13")
@pytest.mark.row("DS-14")
@pytest.mark.parametrize(
    "path",
    ["/token", "/introspect", "/revoke", "/userinfo", "/device", "/connectors/staff/backchannel-logout"],
)
async def test_whatever_is_shown_takes_one_short_turn(
    busy: Broker, turns: list[float], bound: float, path: str
) -> None:
    for what, form in SHOWN.items():
        headers = basic("tv") if what != "assertion" and path != "/userinfo" else {}
        assert await is_short(turns, bound, busy, "POST", path, data=form, headers=headers), what


@pytest.mark.row("DS-13")
@pytest.mark.row("DS-14")
async def test_whatever_is_registered_takes_one_short_turn(
    busy: Broker, turns: list[float], bound: float
) -> None:
    for what, changes in REGISTERED.items():
        sent = json.dumps(APP | changes, ensure_ascii=False).encode()[: 64 * 1024]
        how = {"data": sent, "headers": {"Content-Type": "application/json"}}
        assert await is_short(turns, bound, busy, "POST", "/register", **how), what


@pytest.mark.row("DS-13")
@pytest.mark.row("DS-14")
@pytest.mark.parametrize("path", ["/authorize?client_id=tv", "/device", "/account", "/token", "/userinfo"])
async def test_whatever_stands_in_a_header_takes_one_short_turn(
    busy: Broker, turns: list[float], bound: float, path: str
) -> None:
    for name, value in HEADERS.items():
        how: dict[str, Any] = {"headers": {name: value}}
        if path == "/token":
            how = {"headers": basic("tv") | {name: value}, "data": {"grant_type": "client_credentials"}}
        method = "POST" if path == "/token" else "GET"
        assert await is_short(turns, bound, busy, method, path, **how), name
