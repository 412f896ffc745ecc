"""Client certificates (RFC 8705): shown to us or to a proxy of ours, and never by a mere header."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from broker.cli.listening import mtls_context
from broker.config import TlsConfig
from broker.endpoints.certificates import ANCHORS
from tests.certificates import Holder, made
from tests.flow.broker import SECRET, Broker, claims, code_form
from tests.flow.proofs import Prover
from tests.flow.signing import asked
from tests.patience import PATIENCE
from tests.serving import serving
from tests.tls import Authority

ROOT = made("clients", ca=True)
LEAF, SECOND = made("billing", ROOT), made("billing", ROOT)
OWN, OWN_TOO = made("shop"), made("shop")
LIAR, ISSUES = made("billing"), made("liars", ca=True)
"""Certificates of an app's own: one says the name of another app, one could issue such."""
DN = "O=Acme,CN=billing"

BY_NAME = {
    "client_secret": None,
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": DN,
}
OF_ITS_OWN = {"client_secret": None, "token_endpoint_auth_method": "self_signed_tls_client_auth"}
CLIENTS = {
    "named": BY_NAME | {"trusted": True, "tls_client_certificate_bound_access_tokens": True},
    "own": OF_ITS_OWN | {"jwks": {"keys": [OWN.jwk()]}},
    "liar": OF_ITS_OWN | {"jwks": {"keys": [LIAR.jwk(), ISSUES.jwk()]}},
    "bound": {"trusted": True, "tls_client_certificate_bound_access_tokens": True},
    "public": {
        "client_secret": None,
        "token_endpoint_auth_method": "none",
        "tls_client_certificate_bound_access_tokens": True,
    },
}


@dataclass
class Desk:
    """A broker with a second door, and a folder for certificates."""

    broker: Broker
    url: str
    authority: Authority
    folder: Path
    contexts: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def context(self, holder: Holder | None) -> ssl.SSLContext:
        """What a client trusts, and shows."""
        name = holder.thumbprint if holder else ""
        if name not in self.contexts:
            context = self.contexts[name] = self.authority.client()
            if holder is not None:
                path = self.folder / f"{name}.pem"
                chain = "".join(Holder(one, holder.key).pem for one in holder.chain)
                path.write_text(holder.pem + chain + holder.key_pem)
                context.load_cert_chain(path)
        return self.contexts[name]

    async def send(
        self,
        path: str,
        form: dict[str, str] | None = None,
        *,
        show: Holder | None = None,
        door: str | None = None,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        method: str = "POST",
    ) -> tuple[int, dict[str, Any]]:
        """One request by whoever has this certificate, at the second door unless another is named."""
        url = (door or self.url) + path
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=form, headers=headers, ssl=self.context(show)) as answer,
        ):
            body = await answer.read()
            return answer.status, json.loads(body) if body else {}

    async def is_known(self, client: str, show: Holder | None, **form: str) -> bool:
        status, body = await self.send("/introspect", {"token": "x", "client_id": client, **form}, show=show)
        assert status == 200 or (status, body["error"]) == (401, "invalid_client")
        return status == 200


@pytest.fixture
async def desk(start, tmp_path) -> Desk:
    return await open_desk(start, tmp_path)


async def open_desk(start, folder: Path, clients: dict[str, Any] | None = None, **top: Any) -> Desk:
    authority = Authority(folder)
    pair = authority.pair("localhost")
    ca = folder / "clients.pem"
    ca.write_text(ROOT.pem)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    files = TlsConfig(certificate=pair.certificate, key=pair.key, client_ca=ca)
    written = {
        "tls": {"certificate": str(pair.certificate), "key": str(pair.key), "client_ca": str(ca)},
        "listen_mtls": f"127.0.0.1:{port}",
        "mtls_url": f"https://localhost:{port}",
    }
    broker = await start(clients=clients or CLIENTS, top=written | top)
    context = mtls_context(files)
    broker.app[ANCHORS].attach(context)
    assert broker.runner is not None
    await web.SockSite(broker.runner, listening, ssl_context=context).start()
    return Desk(broker, written["mtls_url"], authority, folder)


async def tokens(desk: Desk, client: str, show: Holder, **asked: str) -> dict[str, Any]:
    """What a whole login gives to whoever has this certificate."""
    async with desk.broker.browser() as browser:
        landed = await browser.login(client_id=client, **asked)
    status, body = await desk.send("/token", code_form(landed.code, client_id=client), show=show)
    assert status == 200, body
    return body


# ── who it is ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 8705", "§2.1 tls_client_auth")
async def test_a_certificate_of_an_authority_with_the_registered_name_is_the_client(desk: Desk) -> None:
    assert await desk.is_known("named", LEAF)
    assert await desk.is_known("named", SECOND)  # any that says so
    between = made("between", ROOT, ca=True)
    assert await desk.is_known("named", made("billing", between))
    assert not await desk.is_known("named", made("shop", ROOT))
    assert not await desk.is_known("named", None)
    assert {"certificate_of_other", "certificate_missing"} <= set(desk.broker.reasons())


@pytest.mark.standard("RFC 8705", "§2.2 self_signed_tls_client_auth")
async def test_a_certificate_of_its_own_is_the_client_whose_keys_have_it(desk: Desk) -> None:
    assert await desk.is_known("own", OWN)
    for other in (LIAR, LEAF, None):
        assert not await desk.is_known("own", other)


@pytest.mark.row("CA-02")
@pytest.mark.row("DP-11")
async def test_an_apps_own_certificate_is_nobodys_authority(desk: Desk) -> None:
    assert await desk.is_known("liar", LIAR)
    assert not await desk.is_known("named", LIAR)
    issued = made("billing", ISSUES)  # the handshake lets it through, and that is all
    assert not await desk.is_known("named", issued)
    assert not await desk.is_known("liar", issued)
    found = [reason for reason in desk.broker.reasons() if reason.startswith("certificate")]
    assert found == ["certificate_not_issued", "certificate_not_issued", "certificate_of_other"]


async def test_a_certificate_that_nobody_knows_ends_the_handshake(desk: Desk) -> None:
    for unknown in (OWN_TOO, made("billing", made("clients", ca=True))):
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await desk.is_known("own", unknown)
    for expired in (made("billing", ROOT, days=(-9, -1)),):
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await desk.is_known("named", expired)


@pytest.mark.row("CA-01")
@pytest.mark.row("CA-03")
async def test_one_method_and_the_registered_one(desk: Desk) -> None:
    assert not await desk.is_known("named", LEAF, client_secret="x")
    assert not await desk.is_known("bound", LEAF)
    assert not await desk.is_known("public", LEAF)
    status, _ = await desk.send(
        "/introspect", {"token": "x", "client_id": "named"}, door=desk.broker.issuer
    )  # where nobody is asked for one
    assert status == 401


async def test_keys_that_an_app_publishes_are_let_through_from_the_start(start, tmp_path) -> None:
    async def keys(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [OWN.jwk()]})

    async with serving(keys, "/jwks") as origin:
        desk = await open_desk(start, tmp_path, {"own": OF_ITS_OWN | {"jwks_uri": f"{origin}/jwks"}})
        async with asyncio.timeout(PATIENCE):
            while OWN.der not in desk.broker.app[ANCHORS]._known:  # noqa: ASYNC110  (it has no event)
                await asyncio.sleep(0.01)
        assert await desk.is_known("own", OWN)


# ── what the tokens are bound to ──────────────────────────────────────────────────────────────


@pytest.mark.row("DP-11")
@pytest.mark.standard("RFC 8705", "§3 certificate-bound access tokens")
@pytest.mark.standard("RFC 8705", "§3.2 introspection says cnf")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_a_token_is_of_use_to_whoever_has_the_certificate(start, tmp_path, form: str) -> None:
    clients = {name: entry | {"access_token_format": form} for name, entry in CLIENTS.items()}
    desk = await open_desk(start, tmp_path, clients)
    text = (await tokens(desk, "named", LEAF))["access_token"]
    if form == "jwt":
        assert claims(text)["cnf"] == {"x5t#S256": LEAF.thumbprint}
    bearer = {"Authorization": f"Bearer {text}"}
    status, said = await desk.send("/userinfo", show=LEAF, headers=bearer, method="GET")
    assert (status, said["email"]) == (200, "ada@people.example")
    for other in (SECOND, OWN, None):
        status, said = await desk.send("/userinfo", show=other, headers=bearer, method="GET")
        assert (status, said["error"]) == (401, "invalid_token")
    plain = desk.broker.issuer
    status, said = await desk.send("/userinfo", door=plain, headers=bearer, method="GET")
    assert (status, said["error"]) == (401, "invalid_token")
    spoof = bearer | {"Client-Cert": LEAF.header}
    assert (await desk.send("/userinfo", door=plain, headers=spoof, method="GET"))[0] == 401
    _, told = await desk.send("/introspect", {"token": text, "client_id": "named"}, show=LEAF)
    assert (told["token_type"], told["cnf"]) == ("Bearer", {"x5t#S256": LEAF.thumbprint})


async def test_a_client_with_a_secret_binds_its_tokens_to_whatever_it_shows(desk: Desk) -> None:
    async with desk.broker.browser() as browser:
        code = (await browser.login(client_id="bound")).code
    basic = {"Authorization": aiohttp.encode_basic_auth("bound", SECRET)}
    status, body = await desk.send("/token", code_form(code), headers=basic)
    assert (status, body["error"]) == (400, "invalid_request")
    status, body = await desk.send("/token", code_form(code), headers=basic, show=OWN)
    assert claims(body["access_token"])["cnf"] == {"x5t#S256": OWN.thumbprint}


@pytest.mark.row("RT-11")
@pytest.mark.standard("RFC 8705", "§4 refresh tokens of public clients are bound to the certificate")
async def test_a_public_client_refreshes_with_the_certificate_it_began_with(desk: Desk) -> None:
    given = await tokens(desk, "public", OWN, scope="openid profile email offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": "public"}
    status, body = await desk.send("/token", form, show=LEAF)
    assert (status, body["error"]) == (400, "invalid_grant")
    status, body = await desk.send("/token", form)
    assert (status, body["error"]) == (400, "invalid_request")
    status, body = await desk.send("/token", form, show=OWN)
    assert (status, claims(body["access_token"])["cnf"]) == (200, {"x5t#S256": OWN.thumbprint})


@pytest.mark.standard("RFC 8705", "§5 mtls_endpoint_aliases")
@pytest.mark.standard("RFC 9449", "§4.3 the proof's htu at an endpoint with two addresses")
async def test_the_second_door_is_told_and_proofs_may_name_it(desk: Desk) -> None:
    _, said = await desk.send("/.well-known/openid-configuration", method="GET")
    assert said["issuer"] == desk.broker.issuer
    assert said["mtls_endpoint_aliases"]["token_endpoint"] == f"{desk.url}/token"
    assert said["tls_client_certificate_bound_access_tokens"] is True
    methods = said["token_endpoint_auth_methods_supported"]
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(methods)
    prover = Prover(desk.broker)
    for htu, right in ((f"{desk.url}/token", True), ("https://localhost/token", False)):
        async with desk.broker.browser() as browser:
            code = (await browser.login(client_id="named")).code
        proof = {"DPoP": prover.proof(htu=htu)}
        status, body = await desk.send("/token", code_form(code, client_id="named"), show=LEAF, headers=proof)
        assert (status == 200) is right
        if right:
            assert claims(body["access_token"])["cnf"] == {"jkt": prover.jkt, "x5t#S256": LEAF.thumbprint}


# ── a proxy that ends TLS ─────────────────────────────────────────────────────────────────────

HEADER = "X-Client-Certificate"


async def behind(start, folder: Path, networks: str = "127.0.0.0/8", header: str = HEADER) -> Desk:
    """A broker that is told of certificates by whoever is in these networks."""
    ca = folder / "ca-of-the-proxy.pem"
    ca.write_text(ROOT.pem)
    proxies = {"networks": [networks], "client_certificate_header": header, "client_ca": str(ca)}
    return await open_desk(start, folder, trusted_proxies=proxies)


async def passed_on(desk: Desk, client: str, *headers: tuple[str, str]) -> int:
    form = {"token": "x", "client_id": client}
    status, body = await desk.send("/introspect", form, door=desk.broker.issuer, headers=list(headers))
    assert status == 200 or body["error"] == "invalid_client"
    return status


@pytest.mark.standard("RFC 9440", "§2 a certificate in a header of a trusted proxy")
async def test_a_proxy_that_is_named_passes_certificates_on_in_its_own_spelling(start, tmp_path) -> None:
    desk = await behind(start, tmp_path)
    for text in (LEAF.header, quote(LEAF.pem, safe=""), LEAF.pem.replace("\n", " ")):
        assert await passed_on(desk, "named", (HEADER, text)) == 200
    assert await passed_on(desk, "own", (HEADER, OWN.header)) == 200
    between = made("between", ROOT, ca=True)
    below = made("billing", between)
    assert await passed_on(desk, "named", (HEADER, below.header)) == 401
    chain = ("Client-Cert-Chain", f"{between.header}, {ROOT.header}")
    assert await passed_on(desk, "named", (HEADER, below.header), chain) == 200


@pytest.mark.standard("RFC 8705", "§5 mtls_endpoint_aliases")
async def test_a_proxy_that_asks_for_certificates_at_another_name_has_that_told(start, tmp_path) -> None:
    elsewhere = "https://mtls.billing.example"
    ca = tmp_path / "ca-of-the-proxy.pem"
    ca.write_text(ROOT.pem)
    proxies = {"networks": ["127.0.0.0/8"], "client_certificate_header": HEADER, "client_ca": str(ca)}
    machine = {"grant_types": ["client_credentials"], "redirect_uris": None, "scope": "groups"}
    clients = {"named": CLIENTS["named"] | machine}
    top = {"trusted_proxies": proxies, "mtls_url": elsewhere}
    broker = await start(clients=clients, top=top)
    async with broker.browser() as browser:
        metadata = await browser.step("GET", f"{broker.issuer}/.well-known/openid-configuration")
        said = json.loads(metadata.body)
        assert said["mtls_endpoint_aliases"]["token_endpoint"] == f"{elsewhere}/token"
        assert said["token_endpoint"] == f"{broker.issuer}/token"
        prover = Prover(broker)
        for htu, right in ((f"{elsewhere}/token", True), ("https://billing.example/token", False)):
            headers = {HEADER: LEAF.header, "DPoP": prover.proof(htu=htu)}
            form = {"grant_type": "client_credentials", "client_id": "named"}
            async with browser.session.post(f"{broker.issuer}/token", data=form, headers=headers) as answer:
                assert (answer.status == 200) is right, await answer.text()


@pytest.mark.row("DP-11")
@pytest.mark.row("CA-02")
async def test_what_the_proxy_let_through_is_judged_all_the_same(start, tmp_path) -> None:
    desk = await behind(start, tmp_path)
    for wrong in (LIAR, made("billing", ISSUES), made("shop", ROOT), made("billing", ROOT, days=(-9, -1))):
        assert await passed_on(desk, "named", (HEADER, wrong.header)) == 401
    for wrong in (OWN_TOO, LEAF):
        assert await passed_on(desk, "own", (HEADER, wrong.header)) == 401
    assert await passed_on(desk, "named", (HEADER, LEAF.header), (HEADER, LEAF.header)) == 401
    # A proxy that adds its own, empty where nobody showed any, to what a stranger sent.
    assert await passed_on(desk, "named", (HEADER, LEAF.header), (HEADER, "")) == 401
    assert await passed_on(desk, "own", (HEADER, ""), (HEADER, OWN.header)) == 401
    for rubbish in ("x", "(null)", ":AAAA:", "", "%00"):
        assert await passed_on(desk, "named", (HEADER, rubbish)) == 401


@pytest.mark.row("WB-10")
@pytest.mark.row("DP-11")
async def test_the_header_of_anybody_else_is_only_a_header(start, tmp_path) -> None:
    desk = await behind(start, tmp_path, networks="198.51.100.0/24")
    assert await passed_on(desk, "named", (HEADER, LEAF.header)) == 401
    assert await passed_on(desk, "own", (HEADER, OWN.header)) == 401
    assert set(desk.broker.reasons()) == {"certificate_missing"}


@pytest.mark.row("WB-10")
@pytest.mark.row("DP-11")
async def test_only_the_header_that_is_named_counts(start, tmp_path) -> None:
    desk = await behind(start, tmp_path)
    for other in ("Client-Cert", "X-SSL-Client-Cert", "X_Client_Certificate", "X-Forwarded-Client-Cert"):
        assert await passed_on(desk, "named", (other, LEAF.header)) == 401


@pytest.mark.row("DP-11")
async def test_where_we_ask_for_certificates_ourselves_no_header_counts(start, tmp_path) -> None:
    desk = await behind(start, tmp_path)
    spoof = {HEADER: LEAF.header}
    form = {"token": "x", "client_id": "named"}
    assert (await desk.send("/introspect", form, headers=spoof))[0] == 401
    assert (await desk.send("/introspect", form, headers=spoof, show=OWN))[0] == 401
    assert (await desk.send("/introspect", form, headers=spoof, show=LEAF))[0] == 200


def resumed(desk: Desk, show: Holder, form: str) -> tuple[list[bytes], bool]:
    """Two requests on two connections, the second of which goes on from the first as far as it may."""
    context, port = desk.context(show), int(desk.url.rpartition(":")[2])
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where a session is kept by the server too
    head = f"POST /introspect HTTP/1.1\r\nHost: x\r\nContent-Length: {len(form)}\r\nConnection: close\r\n"
    request = f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}".encode()
    answers, session = [], None
    for _ in range(2):
        with (
            socket.create_connection(("localhost", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as opened,
        ):
            opened.sendall(request)
            answers.append(opened.recv(4096).partition(b"\r\n")[0])
            session, again = opened.session, bool(opened.session_reused)
    return answers, again


@pytest.mark.standard("RFC 8705", "§2 a certificate counts on a resumed connection as on a new one")
async def test_a_connection_that_is_resumed_is_judged_like_a_new_one(desk: Desk) -> None:
    ok, refused = b"HTTP/1.1 200 OK", b"HTTP/1.1 401 Unauthorized"
    below = made("billing", made("between", ROOT, ca=True))
    for client, show, line in (
        ("named", LEAF, ok),
        ("named", below, ok),
        ("own", OWN, ok),
        ("own", LIAR, refused),
        ("named", made("billing", ISSUES), refused),
    ):
        answers, again = await asyncio.to_thread(resumed, desk, show, f"token=x&client_id={client}")
        assert (answers, again) == ([line, line], True), client


# ── what is spoken there ──────────────────────────────────────────────────────────────────────


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.2.2 TLS 1.2 or later with the ciphers of BCP 195")
async def test_both_doors_speak_what_bcp_195_recommends(desk: Desk) -> None:
    port = int(desk.url.rpartition(":")[2])
    for ciphers, ok in (
        ("ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-AES128-SHA256", False),
        ("ECDHE-ECDSA-AES256-SHA", False),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", False),
    ):
        context = desk.authority.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        try:
            _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        except (ssl.SSLError, ConnectionError):
            assert not ok, ciphers
        else:
            assert ok, ciphers
            writer.close()
            await writer.wait_closed()


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.1 authentication and tokens by certificate")
async def test_a_client_under_a_profile_may_have_a_certificate_for_all_of_it(start, tmp_path) -> None:
    bank = BY_NAME | {"profile": "fapi2_security", "tls_client_certificate_bound_access_tokens": True}
    desk = await open_desk(start, tmp_path, {"bank": bank})
    form = asked("bank", scope="openid offline_access")
    assert (await desk.send("/par", form))[0] == 401
    status, told = await desk.send("/par", form, show=LEAF)
    assert status == 201, told
    async with desk.broker.browser() as browser:
        name = told["request_uri"]
        page = await browser.go(f"{desk.broker.issuer}/authorize?client_id=bank&request_uri={name}")
        landed = await browser.answer_consent(page)
        redeemed = code_form(landed.code, client_id="bank")
        status, found = await desk.send("/token", redeemed, show=LEAF)
        assert status == 200, found
        assert claims(found["access_token"])["cnf"] == {"x5t#S256": LEAF.thumbprint}
        assert (await browser.userinfo(found["access_token"]))[0] == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"], "client_id": "bank"}
    for _ in range(2):
        status, again = await desk.send("/token", refresh, show=LEAF)
        assert (status, again["refresh_token"]) == (200, found["refresh_token"])
