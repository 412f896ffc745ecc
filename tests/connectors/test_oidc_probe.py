"""What the operator is told of a provider that nobody signs in at yet."""

import pytest

from broker.jose import SigningKey
from broker.kit.provider import FakeProvider
from broker.kit.stage import Clock, on_stage

KEY = SigningKey.generate("ES256")


async def looked(idp, now=None, **changes):
    """The findings by what they are about."""
    async with on_stage(idp, now, **changes) as stage:
        if now is not None:
            idp.now = now
        return {finding.what: finding for finding in await stage.upstream.probe()}


@pytest.mark.proves("oidc", "the probe: what works, told without anybody signing in")
@pytest.mark.parametrize("path", ["", "/", "/realms/acme"])
async def test_a_provider_in_which_all_is_well(path):
    async with FakeProvider.running(path=path) as idp:
        found = await looked(idp, get_user_info=True)
    assert {what: finding.good for what, finding in found.items()} == {
        "metadata": True,
        "clock": True,
        "issuer": True,
        "endpoints": True,
        "keys": True,
        "ID Token signatures": True,
        "PKCE": True,
        "client authentication": True,
        "userinfo": True,
        "our credentials": True,
    }
    assert found["keys"].detail == "they verify RS256"
    assert idp.seen("authorize") == []


@pytest.mark.proves("oidc", "the probe: what does not work, in an operator's words")
@pytest.mark.parametrize(
    ("wrong", "changes", "what", "said"),
    [
        ({"discovery": "404"}, {}, "metadata", "answered 404"),
        ({"discovery": "not_json"}, {}, "metadata", "not"),
        ({"discovery": "500"}, {}, "metadata", "answered 500"),
        ({"discovery": "redirect"}, {}, "metadata", "answered 30"),
        ({"discovery": {"issuer": "https://other.example"}}, {}, "issuer", "it says https://other.example"),
        ({"discovery": {"token_endpoint": "http://idp.example/token"}}, {}, "endpoints", "must be https"),
        ({"discovery": {"token_endpoint": None}}, {}, "endpoints", "no token_endpoint"),
        ({"jwks": "500"}, {}, "keys", "answered 500"),
        ({"jwks": "empty"}, {}, "keys", "none for id_token_signing_algs"),
        ({}, {"id_token_signing_algs": ["ES256"]}, "keys", "none for id_token_signing_algs"),
        (
            {"discovery": {"id_token_signing_alg_values_supported": ["HS256"]}},
            {},
            "ID Token signatures",
            "is not among HS256",
        ),
        ({"discovery": {"code_challenge_methods_supported": ["plain"]}}, {}, "PKCE", "no S256"),
        ({}, {"pkce": "never"}, "PKCE", "though it is listed"),
        (
            {},
            {"token_endpoint_auth_method": "client_secret_post"},
            "client authentication",
            "client_secret_post is not among client_secret_basic",
        ),
        ({}, {"client_secret": "another"}, "our credentials", "does not accept them (invalid_client"),
        (
            {"discovery": {"response_modes_supported": ["query"]}},
            {"response_mode": "form_post"},
            "response mode",
            "form_post is not among query",
        ),
        ({"discovery": {"prompt_values_supported": ["none"]}}, {}, "prompt=login", "is not among none"),
        (
            {"discovery": {"userinfo_endpoint": None}},
            {"get_user_info": True},
            "userinfo",
            "there is no endpoint",
        ),
        (
            {"discovery": {"userinfo_signing_alg_values_supported": ["ES256"]}},
            {"get_user_info": True, "userinfo_signed_response_alg": "RS256"},
            "userinfo signatures",
            "RS256 is not among ES256",
        ),
        (
            {"discovery": {"id_token_encryption_alg_values_supported": ["RSA1_5"]}},
            {"decryption_key": "k", "id_token_encrypted_response_alg": "RSA-OAEP"},
            "ID Token encryption",
            "RSA-OAEP is not among RSA1_5",
        ),
        ({"token": "500"}, {}, "token endpoint", "answered 500"),
    ],
    ids=range(21),
)
async def test_a_provider_in_which_one_thing_is_wrong(idp, wrong, changes, what, said):
    idp.switch(**wrong)
    found = await looked(idp, **changes)
    assert found[what].good is False
    assert said in found[what].detail


async def test_an_issuer_that_lacks_its_slash_is_told_as_just_that():
    async with FakeProvider.running(path="/") as idp:
        found = await looked(idp, issuer=idp.issuer.removesuffix("/"))
    assert found["issuer"].good is False
    assert "a slash at the end counts" in found["issuer"].detail


@pytest.mark.parametrize(("ahead", "said"), [(30, "behind ours"), (-30, "ahead of ours")])
async def test_a_clock_that_goes_wrong_is_told(idp, ahead, said):
    now = Clock()
    now.forward(ahead)
    found = await looked(idp, now)
    assert found["clock"].good is False
    assert said in found["clock"].detail


async def test_what_a_provider_does_not_tell_is_neither_good_nor_bad(idp):
    idp.switch(
        discovery={
            "code_challenge_methods_supported": None,
            "token_endpoint_auth_methods_supported": None,
            "id_token_signing_alg_values_supported": None,
            "scopes_supported": ["openid"],
        },
        token={"error": "invalid_request"},
    )
    found = await looked(idp)
    for what in ("PKCE", "client authentication", "ID Token signatures", "scopes"):
        assert found[what].good is None
    assert found["scopes"].detail == "not listed: profile, email"


async def test_no_secret_is_told(idp):
    found = await looked(idp, client_secret="hunter2-hunter2")
    assert "hunter2" not in str(found)


async def test_endpoints_that_are_written_are_looked_at_too(idp):
    base = idp.issuer
    given = {
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "jwks_uri": f"{base}/jwks",
    }
    found = await looked(idp, **given)
    assert found["metadata"].good is None
    assert found["keys"].good is found["our credentials"].good is True


async def test_a_key_of_ours_is_tried_too():
    async with FakeProvider.running(auth_method="private_key_jwt") as idp:
        idp.client_jwks = {"keys": [SigningKey.generate("ES256").public_jwk()]}
        found = await looked(idp, client_secret=None, private_key=KEY.to_json())
        assert found["our credentials"].good is False
        idp.client_jwks = {"keys": [KEY.public_jwk()]}
        found = await looked(idp, client_secret=None, private_key=KEY.to_json())
        assert found["our credentials"].good is True


async def test_a_provider_that_is_away_is_one_finding(idp):
    idp.switch(down=True)
    found = await looked(idp)
    assert [finding.good for finding in found.values()] == [False]
