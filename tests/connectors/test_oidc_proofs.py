"""Every way in which the broker proves to an OpenID Provider who it is, and where it then goes."""

import ssl

import pytest

from broker.config import ConfigError
from broker.jose import SigningKey
from broker.kit.provider import FakeProvider
from broker.kit.stage import on_stage, opened
from broker.protocol.errors import OAuthError
from tests.outbound.proxies import Proxy, proxying
from tests.tls import Authority

KEY = SigningKey.generate("ES256")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
@pytest.mark.parametrize("said", [True, False])
@pytest.mark.proves("oidc", "client_secret_basic, client_secret_post, client_secret_jwt")
async def test_a_secret_proves_it_in_the_way_that_was_written_or_that_is_listed(method, said):
    async with FakeProvider.running(auth_method=method) as idp:
        way = {"token_endpoint_auth_method": method} if said else {}
        async with on_stage(idp, **way) as stage:
            assert (await stage.sign_in()).subject == "ann"
        form = idp.seen("token")[0].form
        assert ("client_assertion" in form) is (method == "client_secret_jwt")
        if method == "client_secret_jwt":
            assert idp.client_secret not in str(form)


@pytest.mark.proves("oidc", "private_key_jwt, for the issuer or the token endpoint")
@pytest.mark.parametrize("audience", ["issuer", "token_endpoint"])
@pytest.mark.row("UP-18")
async def test_a_private_key_proves_it_to_the_audience_that_is_wanted(audience):
    async with FakeProvider.running(auth_method="private_key_jwt") as idp:
        idp.client_jwks = {"keys": [KEY.public_jwk()]}
        key = {"client_secret": None, "private_key": KEY.to_json(), "client_assertion_audience": audience}
        async with on_stage(idp, **key) as stage:
            assert (await stage.sign_in()).subject == "ann"
            assert stage.upstream.public_jwks() == {"keys": [KEY.public_jwk()]}


@pytest.mark.proves("oidc", "no client authentication, with PKCE")
async def test_a_public_client_has_nothing_but_pkce():
    async with FakeProvider.running(auth_method="none") as idp, on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"
    assert idp.seen("token")[0].form["client_id"] == "broker"


async def test_the_way_that_the_provider_wants_is_not_guessed():
    async with FakeProvider.running(auth_method="client_secret_post") as idp:
        async with on_stage(idp, token_endpoint_auth_method="client_secret_basic") as stage:
            assert (await stage.refused()).reason == "token_invalid_client"
        assert len(idp.seen("token")) == 1


# ── By certificate ────────────────────────────────────────────────────────────────────────────


class WithAliases(FakeProvider):
    """Has endpoints of their own for those who bring a certificate (RFC 8705 §5)."""

    def metadata(self):
        plain = super().metadata()
        return {
            **plain,
            "token_endpoint": f"{self.base}/without-a-certificate",
            "userinfo_endpoint": f"{self.base}/without-a-certificate",
            "mtls_endpoint_aliases": {name: plain[name] for name in ("token_endpoint", "userinfo_endpoint")},
        }


def seeing_clients(authority):
    context = authority.server(wants_client=True)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def shown(authority, method):
    pair = authority.pair("broker", client=True)
    return {
        "client_secret": None,
        "token_endpoint_auth_method": method,
        "tls_client_certificate": str(pair.certificate),
        "tls_client_key": str(pair.key),
        "outbound": {"ca": str(authority.ca)},
    }


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth", None])
@pytest.mark.parametrize("kind", [FakeProvider, WithAliases])
@pytest.mark.proves("oidc", "a client certificate (mTLS), at the endpoints for it where there are some")
async def test_a_certificate_proves_it(tmp_path, method, kind):
    authority = Authority(tmp_path)
    tls = seeing_clients(authority)
    async with kind.running(auth_method="tls_client_auth", tls=tls) as idp:
        entry = shown(authority, method)
        async with on_stage(idp, get_user_info=True, **entry) as stage:
            identity = await stage.sign_in()
    assert (identity.subject, identity.userinfo["name"]) == ("ann", "Ann Example")
    assert idp.seen("token")[0].form["client_id"] == "broker"
    assert idp.seen("unknown") == []


@pytest.mark.proves("oidc", "a client certificate (mTLS), at the endpoints for it where there are some")
async def test_who_shows_no_certificate_is_refused(tmp_path):
    authority = Authority(tmp_path)
    async with FakeProvider.running(auth_method="tls_client_auth", tls=seeing_clients(authority)) as idp:
        entry = {"token_endpoint_auth_method": "none", "client_secret": None}
        async with on_stage(idp, **entry, outbound={"ca": str(authority.ca)}) as stage:
            assert (await stage.refused()).reason == "token_invalid_client"


# ── The way there ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "an authority of its own, a proxy and a timeout of its own")
async def test_one_connector_has_its_own_trust_proxy_and_timeout(tmp_path):
    authority = Authority(tmp_path)
    async with (
        proxying(Proxy()) as proxy,
        FakeProvider.running(tls=authority.server()) as idp,
    ):
        secret = {
            "type": "oidc",
            "issuer": idp.issuer,
            "client_id": "broker",
            "client_secret": idp.client_secret,
        }
        own = {"ca": str(authority.ca), "proxy": proxy.url, "timeout": "50s"}
        connectors = {"own": {**secret, "outbound": own}, "plain": secret}
        async with opened(idp, connectors) as stage:
            login = stage.login("own")
            assert (await login.finish(await login.at_the_upstream())).subject == "ann"
            with pytest.raises(OAuthError) as caught:
                await stage.login("plain").begin()
            assert "certificate that is not believed" in caught.value.detail
            assert stage.upstreams["own"].patience == 100
    assert {head.split()[0] for head in proxy.heads} == {"CONNECT"}


@pytest.mark.parametrize(
    ("outbound", "said"),
    [
        ({"ca": "nowhere.pem"}, "outbound.ca: there is no file"),
        ({"proxy": "proxy.example"}, "outbound.proxy: expected http://host:port"),
        ({"proxy": "socks5://proxy.example:1080"}, "outbound.proxy: expected http://host:port"),
        ({"proxy": "http://us:hunter2@proxy.example:port"}, "outbound.proxy: expected http://host:port"),
        ({"timeout": "2m"}, "outbound.timeout"),
        ({"verify": False}, "outbound.verify: unknown key"),
    ],
    ids=str,
)
async def test_a_way_that_cannot_be_is_told_at_the_start(idp, outbound, said):
    with pytest.raises(ConfigError) as caught:
        async with on_stage(idp, outbound=outbound):
            pass
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tls_client_certificate": "no.pem"}, "there is no file"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "tls_client_certificate: missing"),
        ({"private_key": "k"}, "give the one that is used"),
        ({"decryption_key": "k"}, "say id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP"}, "decryption_key: missing"),
        ({"id_token_encrypted_response_alg": "RSA1_5"}, "expected RSA-OAEP, RSA-OAEP-256"),
        ({"userinfo_signed_response_alg": "none"}, "userinfo_signed_response_alg"),
        ({"userinfo_signed_response_alg": "HS256"}, "userinfo_signed_response_alg"),
    ],
    ids=str,
)
async def test_credentials_that_do_not_fit_are_told_at_the_start(idp, keys, said):
    with pytest.raises(ConfigError) as caught:
        async with on_stage(idp, **keys):
            pass
    assert said in str(caught.value)
