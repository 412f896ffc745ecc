"""Whoever is called on a client app's word: guarded, each by themselves, and never more than so many."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from broker.clients.keys import Keyholder, PublicKeys
from broker.config import OutboundConfig
from broker.connector import UpstreamInvalid, UpstreamUnavailable
from broker.jose import JoseError, SigningKey, UnknownKid, sign
from broker.outbound import Outbound, Way, http
from broker.protocol.errors import TemporarilyUnavailable
from tests.outbound.test_http import LOOPBACK
from tests.patience import PATIENCE
from tests.serving import serving
from tests.tls import Authority

KEY, OTHER = SigningKey.generate("ES256"), SigningKey.generate("ES256")
ALGORITHMS = ("ES256",)


class Published:
    """Keys on a real server."""

    def __init__(self) -> None:
        self.keys: list[SigningKey] = [KEY]
        self.asked, self.status, self.url = 0, 200, ""
        self.more: dict[str, str] = {}
        self.gate, self.arrived = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def serve(self, _request: web.Request) -> web.Response:
        self.asked += 1
        self.arrived.set()
        await self.gate.wait()
        said = {"keys": [key.public_jwk() for key in self.keys], **self.more}
        return web.json_response(said, status=self.status)


class Steady:
    """A clock that only a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def published() -> AsyncIterator[Published]:
    found = Published()
    async with serving(found.serve) as origin:
        found.url = f"{origin}/jwks"
        yield found


@pytest.fixture
def clock() -> Steady:
    return Steady()


@pytest.fixture
async def outbound(clock: Steady) -> AsyncIterator[Outbound]:
    opened = Outbound(OutboundConfig(allow_networks=LOOPBACK, timeout=PATIENCE), clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def keys(outbound: Outbound) -> PublicKeys:
    return PublicKeys(outbound)


def holder(published: Published, name: str = "app", *, stranger: bool = False) -> Keyholder:
    return Keyholder(name=name, jwks_uri=published.url, stranger=stranger)


async def verified(keys: PublicKeys, whose: Keyholder, by: SigningKey = KEY) -> str:
    token = sign(by, {"sub": "ada"}, typ="JWT")
    return str((await keys.verified(whose, token, algorithms=ALGORITHMS, typ={"jwt"})).claims["sub"])


async def test_keys_are_fetched_once_and_again_when_one_is_not_among_them(keys, published, clock) -> None:
    assert [await verified(keys, holder(published)) for _ in range(3)] == ["ada"] * 3
    assert published.asked == 1
    published.keys = [OTHER]
    assert await verified(keys, holder(published), OTHER) == "ada"
    assert published.asked == 2


@pytest.mark.row("CA-15")
@pytest.mark.row("DS-03")
async def test_a_storm_of_unknown_keys_asks_once_a_minute(keys, published, clock) -> None:
    for _ in range(20):
        with pytest.raises(UnknownKid):
            await verified(keys, holder(published), OTHER)
    assert published.asked == 2
    clock.now += 61
    with pytest.raises(UnknownKid):
        await verified(keys, holder(published), OTHER)
    assert published.asked == 3


@pytest.mark.row("JW-11")
async def test_nobodys_keys_speak_for_anybody_else(keys, published) -> None:
    mine = Keyholder(name="mine", jwks={"keys": [OTHER.public_jwk()]})
    assert await verified(keys, holder(published)) == "ada"
    with pytest.raises(UnknownKid):
        await verified(keys, mine, KEY)
    assert await verified(keys, mine, OTHER) == "ada"
    assert published.asked == 1


async def test_keys_that_cannot_be_had_are_no_verdict(keys, published, clock) -> None:
    published.status = 503
    with pytest.raises(TemporarilyUnavailable):
        await verified(keys, holder(published))
    with pytest.raises(TemporarilyUnavailable):
        await verified(keys, holder(published))
    assert published.asked == 1  # a failure of a moment ago is not tried again
    published.status = 200
    clock.now += 6
    assert await verified(keys, holder(published)) == "ada"
    published.status = 503  # and an old edition stands in
    clock.now += 4000
    assert await verified(keys, holder(published)) == "ada"


@pytest.mark.row("DS-03")
async def test_a_stranger_whose_keys_cannot_be_had_is_not_asked_again_so_soon(keys, published, clock) -> None:
    published.status = 404
    for seconds, asked in ((0, 1), (6, 1), (20, 1), (5, 2)):
        clock.now += seconds
        with pytest.raises(JoseError):
            await verified(keys, holder(published, stranger=True))
        assert published.asked == asked


@pytest.mark.row("CA-15")
@pytest.mark.row("UP-03")
@pytest.mark.parametrize(
    "uri",
    [
        "https://169.254.169.254/",
        "https://10.0.0.1/",
        "http://localhost/",
        "file:///etc/passwd",
        "https://a@b/",
    ],
)
async def test_no_address_is_asked_that_is_not_allowed(keys, uri) -> None:
    with pytest.raises((JoseError, TemporarilyUnavailable)):
        await verified(keys, Keyholder(name="app", jwks_uri=uri))


async def test_who_has_no_keys_has_signed_nothing(keys) -> None:
    with pytest.raises(JoseError):
        await verified(keys, Keyholder(name="app"))


@pytest.mark.row("DS-17")
async def test_of_strangers_only_so_many_are_kept_and_the_one_asked_for_last_stays(
    outbound, monkeypatch
) -> None:
    monkeypatch.setattr(http, "MAX_STRANGERS", 3)
    first = outbound.called("first", stranger=True)
    for n in range(10):
        assert outbound.called("first", stranger=True) is first
        outbound.called(f"another {n}", stranger=True)
    assert len(outbound._strangers) == 3
    assert outbound.called("first", stranger=True) is first
    assert outbound.called("another 0", stranger=True) is not first


@pytest.mark.row("DS-17")
async def test_no_number_of_strangers_takes_the_place_of_an_app_that_the_operator_names(
    keys, published, outbound, monkeypatch
) -> None:
    monkeypatch.setattr(http, "MAX_STRANGERS", 3)
    assert await verified(keys, holder(published)) == "ada"
    for n in range(10):
        outbound.called(f"another {n}", stranger=True)
    published.status = 503
    assert await verified(keys, holder(published)) == "ada"
    assert published.asked == 1


@pytest.mark.row("UP-11")
async def test_who_is_being_waited_for_is_not_cut_off_by_those_who_come(
    keys, published, outbound, monkeypatch
) -> None:
    monkeypatch.setattr(http, "MAX_STRANGERS", 3)
    published.gate.clear()
    waiting = asyncio.create_task(verified(keys, holder(published, stranger=True)))
    await published.arrived.wait()
    for n in range(10):
        outbound.called(f"another {n}", stranger=True)
    await asyncio.gather(*outbound._closing)
    published.gate.set()
    assert await waiting == "ada"
    outbound.called("one more", stranger=True)
    assert len(outbound._strangers) == 3


@pytest.mark.row("UP-10")
async def test_one_that_does_not_answer_costs_the_others_nothing(outbound, published) -> None:
    dead = outbound.called("dead", stranger=True)
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable):
            await dead.get("http://127.0.0.1:9/")
    assert dead.circuit.is_closed  # nobody would ask whether it answers again
    assert (await outbound.called("alive", stranger=True).get(published.url)).status == 200
    with pytest.raises(UpstreamInvalid):
        await outbound.called("alive", stranger=True).get("https://10.0.0.1/")


@pytest.mark.row("CA-15")
@pytest.mark.row("UP-07")
async def test_a_stranger_has_less_read_of_a_document_than_who_is_named(keys, published) -> None:
    published.more = {"x": "x" * (http.MAX_STRANGERS_DOCUMENT)}
    assert await verified(keys, holder(published)) == "ada"
    with pytest.raises(JoseError, match="bytes") as caught:
        await verified(keys, holder(published, stranger=True))
    assert caught.value.reason == "jwks_too_large"


def finite_field(folder: Path) -> Path:
    """What a server may name instead of a curve, and as large as it likes; this one is small."""
    prime = (secrets.randbits(2048) | 1 << 2047 | 1).to_bytes(257)  # nobody looks whether it is one
    numbers = b"\x02\x82\x01\x01" + prime + b"\x02\x01\x02"
    whole = b"\x30\x82" + len(numbers).to_bytes(2) + numbers
    body = b64encode(whole).decode()
    path = folder / "field.pem"
    path.write_text(f"-----BEGIN DH PARAMETERS-----\n{body}\n-----END DH PARAMETERS-----\n")
    return path


@asynccontextmanager
async def secured(published: Published, context: ssl.SSLContext) -> AsyncIterator[str]:
    """What is published, by https."""
    site = web.Application()
    site.router.add_get("/jwks", published.serve)
    runner = web.AppRunner(site)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/jwks"
    finally:
        await runner.cleanup()


@pytest.mark.row("DS-03")
@pytest.mark.standard("RFC 9325", "§4.2 key exchange by elliptic curves, with whoever may be anybody")
async def test_no_stranger_chooses_how_much_work_a_handshake_is(published, tmp_path) -> None:
    authority = Authority(tmp_path)
    by_fields = authority.server(by_rsa=True)
    by_fields.maximum_version = ssl.TLSVersion.TLSv1_2
    by_fields.set_ciphers("DHE+AESGCM")
    by_fields.load_dh_params(finite_field(tmp_path))
    way, outbound = Way(ca=authority.ca), Outbound(OutboundConfig(allow_networks=LOOPBACK))
    async with secured(published, by_fields) as url:
        assert (await outbound.called("named", way, stranger=False).get(url)).status == 200
        with pytest.raises(UpstreamUnavailable):
            await outbound.called("anybody", way, stranger=True).get(url)
    async with secured(published, authority.server()) as url:
        assert (await outbound.called("anybody", way, stranger=True).get(url)).status == 200
    await outbound.close()
    untrusted = Outbound(OutboundConfig(allow_networks=LOOPBACK))
    async with secured(published, authority.server()) as url:
        with pytest.raises(UpstreamUnavailable, match="not believed"):
            await untrusted.called("anybody", stranger=True).get(url)
    await untrusted.close()
