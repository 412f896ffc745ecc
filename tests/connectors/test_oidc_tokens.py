"""Userinfo as JSON or as a token, and ID Tokens that are encrypted."""

import json
import secrets

import pytest
from jwcrypto.jwk import JWK

from broker.jose import DecryptionKey
from broker.kit.forging import Key, compact, encrypted, strangers_key
from broker.kit.lies import changed
from broker.kit.provider import FakeProvider
from broker.kit.stage import on_stage

RSA, EC = JWK.generate(kty="RSA", size=2048), JWK.generate(kty="EC", crv="P-256")
PUBLIC = {"RSA": RSA.export_public(as_dict=True), "EC": EC.export_public(as_dict=True)}


class Telling(FakeProvider):
    """Its userinfo is a token; ``said`` changes its claims, ``told`` how it is wrapped."""

    def userinfo_claims(self, person):
        return {**super().userinfo_claims(person), "iss": self.issuer, "aud": self.client_id, "pulled": True}

    async def _userinfo(self, request):
        response = await super()._userinfo(request)
        told = self.switches.get("told")
        if response.status != 200 or told is None:
            return response
        key, claims = told.get("key", self.keys[0]), json.loads(response.text)
        header = {"alg": key.alg, "kid": key.kid, **told.get("header", {})}
        text = compact(key, header, changed(claims, told.get("said")))
        if "alg" in told:
            text = encrypted(text, told["jwk"], alg=told["alg"], enc=told["enc"])
        return type(response)(text=told.get("text", text), content_type="application/jwt")


@pytest.fixture
async def idp():
    async with Telling.running() as provider:
        yield provider


# ── Signed userinfo ───────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "userinfo as JSON or as a signed JWT")
@pytest.mark.parametrize("wanted", [None, "RS256"])
async def test_a_userinfo_answer_may_be_a_token_that_the_provider_signed(idp, wanted):
    idp.switch(told={})
    async with on_stage(idp, get_user_info=True, userinfo_signed_response_alg=wanted) as stage:
        assert (await stage.sign_in()).userinfo["pulled"] is True
    accept = idp.seen("userinfo")[0].headers["Accept"]
    assert accept == ("application/jwt" if wanted else "application/json")


async def test_where_a_signed_answer_was_agreed_on_json_is_not_enough(idp):
    async with on_stage(idp, get_user_info=True, userinfo_signed_response_alg="RS256") as stage:
        assert (await stage.refused()).reason == "userinfo_not_signed"


@pytest.mark.proves("oidc", "userinfo of another person, issuer, audience or kind of token")
@pytest.mark.parametrize(
    ("told", "reason"),
    [
        pytest.param({"said": {"sub": "eve"}}, "userinfo_sub_mismatch", marks=pytest.mark.row("CB-31")),
        pytest.param({"said": {"sub": None}}, "userinfo_sub_mismatch", marks=pytest.mark.row("CB-31")),
        ({"said": {"iss": "https://evil.example"}}, "userinfo_iss_mismatch"),
        ({"said": {"aud": "another"}}, "userinfo_aud_mismatch"),
        ({"said": {"aud": ["another"]}}, "userinfo_aud_mismatch"),
        ({"said": {"exp": 1}}, "userinfo_exp_mismatch"),
        ({"said": {"exp": "soon"}}, "userinfo_exp_mismatch"),
        pytest.param({"said": {"nonce": "n"}}, "userinfo_typ_mismatch", marks=pytest.mark.row("JW-24")),
        pytest.param({"said": {"typ": "Bearer"}}, "userinfo_typ_mismatch", marks=pytest.mark.row("JW-24")),
        pytest.param({"said": {"events": {}}}, "userinfo_typ_mismatch", marks=pytest.mark.row("JW-24")),
        pytest.param({"header": {"typ": "at+jwt"}}, "token_bad_typ", marks=pytest.mark.row("JW-24")),
        pytest.param({"header": {"typ": "logout+jwt"}}, "token_bad_typ", marks=pytest.mark.row("JW-24")),
        ({"key": strangers_key("RS256"), "header": {"kid": "first"}}, "token_bad_signature"),
        pytest.param({"header": {"alg": "none"}}, "token_bad_algorithm", marks=pytest.mark.row("JW-01")),
        pytest.param({"header": {"alg": "HS256"}}, "token_bad_algorithm", marks=pytest.mark.row("JW-02")),
        ({"text": "rubbish"}, "token_not_a_jws"),
        ({"text": "{}"}, "token_not_a_jws"),
        ({"text": "é.é.é"}, "token_not_a_jws"),
    ],
    ids=range(18),
)
async def test_a_userinfo_token_that_is_wrong_ends_the_whole_login(idp, told, reason):
    idp.switch(told=told)
    async with on_stage(idp, get_user_info=True) as stage:
        assert (await stage.refused()).reason == reason


@pytest.mark.row("JW-24")
@pytest.mark.parametrize("kind", ["id_token", "access_token"])
async def test_another_token_of_the_same_login_is_no_userinfo_answer(idp, kind):
    async with on_stage(idp, get_user_info=True) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        code = idp.codes[answer["code"]]
        token = idp._id_token(code, "at", answer["code"]) if kind == "id_token" else idp._access_token(code)
        idp.switch(told={"text": token})
        with pytest.raises(Exception, match="could not be completed") as caught:
            await login.finish(answer)
    assert caught.value.reason in {"userinfo_typ_mismatch", "userinfo_aud_mismatch"}


# ── Encrypted ─────────────────────────────────────────────────────────────────────────────────


def opening(jwk, **more):
    return {"decryption_key": jwk.export(private_key=True), **more}


@pytest.mark.proves("oidc", "encrypted ID Tokens: RSA-OAEP and ECDH-ES, GCM and CBC-HMAC")
@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"])
@pytest.mark.parametrize(
    ("kty", "alg"),
    [
        ("RSA", "RSA-OAEP"),
        ("RSA", "RSA-OAEP-256"),
        ("EC", "ECDH-ES"),
        ("EC", "ECDH-ES+A128KW"),
        ("EC", "ECDH-ES+A256KW"),
    ],
)
async def test_an_encrypted_id_token_is_opened_and_then_checked_like_any(idp, kty, alg, enc):
    key = RSA if kty == "RSA" else EC
    async with on_stage(idp, **opening(key, id_token_encrypted_response_alg=alg)) as stage:
        published = stage.upstream.public_jwks()["keys"]
        assert published == [DecryptionKey.read(key.export(private_key=True)).public_jwk(alg)]
        idp.switch(encrypted={"jwk": published[0], "alg": alg, "enc": enc})
        identity = await stage.sign_in()
        assert identity.subject == "ann"
        # RP-Initiated Logout 1.0 §2: as a hint it goes back signed only, in three parts and not in five.
        assert identity.logout_by["id_token_hint"].count(".") == 2
        idp.switch(nonce="wrong")
        assert (await stage.refused()).reason == "id_token_nonce_mismatch"


@pytest.mark.proves(
    "oidc", "an ID Token that is not encrypted where it should be, or otherwise than agreed on"
)
@pytest.mark.parametrize(
    ("wrapped", "reason"),
    [
        (None, "token_not_encrypted"),
        pytest.param(
            {"jwk": PUBLIC["RSA"], "alg": "RSA-OAEP", "enc": "A128GCM"},
            "token_bad_encryption",
            marks=pytest.mark.row("JW-19"),
        ),
        pytest.param(
            {"jwk": PUBLIC["RSA"], "alg": "RSA1_5", "enc": "A128CBC-HS256"},
            "token_bad_encryption",
            marks=pytest.mark.row("JW-19"),
        ),
        ({"jwk": PUBLIC["RSA"], "alg": "RSA-OAEP-256", "enc": "A256GCM"}, "token_bad_encryption"),
        (
            {"jwk": JWK.generate(kty="RSA", size=2048).export_public(as_dict=True)}
            | {"alg": "RSA-OAEP-256", "enc": "A128GCM"},
            "token_not_decrypted",
        ),
    ],
    ids=range(5),
)
async def test_only_what_was_agreed_on_is_opened(idp, wrapped, reason):
    agreed = {"id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A128GCM"}
    idp.switch(encrypted=wrapped)
    async with on_stage(idp, **opening(RSA, **agreed)) as stage:
        assert (await stage.refused()).reason == reason


@pytest.mark.row("JW-16")
@pytest.mark.proves("oidc", "an encrypted token that nobody asked for, or with no signed one inside")
async def test_an_encrypted_token_where_a_signed_one_is_expected_is_refused(idp):
    way = {"jwk": PUBLIC["RSA"], "alg": "RSA-OAEP-256", "enc": "A128GCM"}
    idp.switch(encrypted=way)
    async with on_stage(idp) as stage:
        assert (await stage.refused()).reason == "token_not_a_jws"
    idp.switch(
        encrypted=None,
        token={"id_token": encrypted(json.dumps({"sub": "ann"}), way["jwk"], alg=way["alg"], enc=way["enc"])},
    )
    async with on_stage(idp, **opening(RSA, id_token_encrypted_response_alg="RSA-OAEP-256")) as stage:
        assert (await stage.refused()).reason == "token_not_decrypted"


@pytest.mark.row("JW-19")
async def test_nobody_outside_learns_why_a_token_was_not_opened(idp):
    way = {"jwk": PUBLIC["RSA"], "alg": "RSA-OAEP-256", "enc": "A128CBC-HS256"}
    heard = set()
    async with on_stage(idp, **opening(RSA, id_token_encrypted_response_alg="RSA-OAEP-256")) as stage:
        for part in (1, 2, 3, 4):
            parts = encrypted("a.b.c", way["jwk"], alg=way["alg"], enc=way["enc"]).split(".")
            parts[part] = ("B" if parts[part][0] == "A" else "A") + parts[part][1:]
            idp.switch(token={"id_token": ".".join(parts)})
            refused = await stage.refused()
            heard.add((refused.error, refused.description, refused.reason, refused.detail))
    assert len(heard) == 1


@pytest.mark.proves("oidc", "userinfo that is encrypted")
async def test_a_userinfo_answer_may_be_encrypted_too(idp):
    way = {"jwk": PUBLIC["EC"], "alg": "ECDH-ES", "enc": "A256GCM"}
    idp.switch(told=way)
    async with on_stage(
        idp, get_user_info=True, **opening(EC, userinfo_encrypted_response_alg="ECDH-ES")
    ) as stage:
        assert (await stage.sign_in()).userinfo["pulled"] is True
        idp.switch(told={})
        assert (await stage.refused()).reason == "token_not_encrypted"
        idp.switch(told=None)
        assert (await stage.refused()).reason == "userinfo_not_signed"


@pytest.mark.proves("oidc", "a key for decryption that replaces another")
async def test_while_one_key_replaces_another_both_open_and_the_new_one_is_published(idp):
    new, old = (key.export(private_key=True) for key in (JWK.generate(kty="RSA", size=2048), RSA))
    both = {"decryption_key": [new, old], "id_token_encrypted_response_alg": "RSA-OAEP"}
    async with on_stage(idp, **both) as stage:
        (published,) = stage.upstream.public_jwks()["keys"]
        assert published["kid"] == DecryptionKey.read(new).kid
        for jwk in (PUBLIC["RSA"], published):
            idp.switch(encrypted={"jwk": jwk, "alg": "RSA-OAEP", "enc": "A128GCM"})
            assert (await stage.sign_in()).subject == "ann"


async def test_a_decryption_key_that_is_none_is_told_when_it_is_used(idp):
    async with on_stage(idp, decryption_key="rubbish", id_token_encrypted_response_alg="RSA-OAEP") as stage:
        assert (await stage.refused()).reason == "decryption_key_unusable"


async def test_the_key_that_signs_and_the_key_that_opens_are_published_together():
    signing = Key("s", "ES256").private_pem().decode()
    async with FakeProvider.running(auth_method="private_key_jwt") as provider:
        keys = {"client_secret": None, "private_key": signing, "client_id": secrets.token_hex(4)}
        async with on_stage(
            provider, **keys, **opening(RSA, id_token_encrypted_response_alg="RSA-OAEP")
        ) as stage:
            published = stage.upstream.public_jwks()["keys"]
    assert [key["use"] for key in published] == ["sig", "enc"]
    assert published[1]["alg"] == "RSA-OAEP"
    assert not any("d" in key for key in published)
