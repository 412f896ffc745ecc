"""Tokens that are not what they seem: other algorithms, other keys, other spellings of one token.

Owns `SignatureTests`, a part of `OpenIDKit`. RFC 7515 §4 and §5.2, RFC 8725 §2 and §3, RFC 7797, RFC 7516.
"""

from __future__ import annotations

from typing import Any

import pytest

from broker.kit.forging import b64, strangers_key
from broker.kit.oauth2 import OAuth2Kit
from broker.kit.saying import must, naming
from broker.kit.stage import ISSUER, Stage

NONES: tuple[Any, ...] = (
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    " none",
    "none\0",
    7,
    ["none"],
    {"alg": "none"},
    True,
)
CRITICAL: tuple[dict[str, Any], ...] = (
    {"crit": ["exp"]},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"crit": []},
    {"crit": "b64"},
)
DEEP = '{"a":' * 20_000 + "1" + "}" * 20_000
PAYLOADS = {
    "a list": "[]",
    "null": "null",
    "a text": '"sub"',
    "nothing": "",
    "too deep": DEEP,
    "a number without end": '{"sub": "ann", "exp": ' + "9" * 100_000 + "}",
    "NaN": '{"sub": "ann", "exp": NaN}',
    "Infinity": '{"sub": "ann", "exp": Infinity}',
    "1e400": '{"sub": "ann", "exp": 1e400}',
    "bytes behind": '{"sub": "ann"} {"sub": "bob"}',
    "a mark before": "\N{ZERO WIDTH NO-BREAK SPACE}{}",
    "half a surrogate": '{"sub": "\\ud800"}',
}


class SignatureTests(OAuth2Kit):
    """What the ID Token is signed with, and how it is written."""

    @pytest.mark.row("JW-01")
    async def test_a_token_that_nobody_signed_is_refused(self, stage: Stage) -> None:
        """``alg`` none in every spelling, with and without something where the signature belongs."""
        for alg in NONES:
            for signature in ("empty", "bad", b"garbage"):
                stage.idp.switch(alg=alg, signature=signature)
                await self.refused(stage, f"alg {alg!r}, signature {signature!r}")
        stage.idp.switch(alg=None, signature=None, header={"alg": None})
        await self.refused(stage, "no alg")

    @pytest.mark.row("JW-02")
    async def test_a_public_key_is_no_secret(self, stage: Stage) -> None:
        """An HMAC keyed with what everybody knows, in every form that it may be taken in."""
        for form in stage.idp.keys[0].public_forms():
            for alg in ("HS256", "HS384", "HS512"):
                stage.idp.switch(alg=alg, secret=form)
                await self.refused(stage, f"{alg} with the public key as {form}")
        stage.idp.switch(alg="HS256", secret="none of them")
        await self.refused(stage, "HS256 with any secret")

    @pytest.mark.row("JW-03")
    async def test_a_key_that_the_token_brings_is_not_used(self, stage: Stage) -> None:
        """``jwk``, ``jku``, ``x5u`` and ``x5c`` are ignored, and nothing is fetched (RFC 8725 §3.10)."""
        key = strangers_key(stage.idp.alg)
        elsewhere = f"{stage.idp.origin}/elsewhere"
        brought: dict[str, Any] = {
            "jwk": key.jwk(),
            "jku": elsewhere,
            "x5u": elsewhere,
            "x5c": [b64(key.public_forms()["der"])],
        }
        for name, value in brought.items():
            for kid in (None, "unknown", "stranger"):
                stage.idp.switch(signature="foreign", header={name: value}, kid=kid)
                await self.refused(stage, f"a key in {name}")
        must("unknown" not in self.asked(stage), "what the token points to was fetched")

    @pytest.mark.row("JW-09")
    async def test_a_key_is_used_for_its_own_algorithm_only(self, stage: Stage) -> None:
        """The header does not say what a key is for (RFC 8725 §3.1)."""
        for alg in {"RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"} - {stage.idp.alg}:
            stage.idp.switch(alg=alg)
            await self.refused(stage, f"alg {alg}")

    @pytest.mark.row("JW-10")
    async def test_a_signature_that_no_key_makes_is_refused(self, stage: Stage) -> None:
        """Somebody else's, a changed one, zeros, nothing, one too long."""
        for signature in ("bad", "foreign", "zero", "empty", b"", b"\0" * 64, b"\xff" * 256, b"x" * 10_000):
            for kid in (None, "missing"):
                stage.idp.switch(signature=signature, kid=kid)
                await self.refused(stage, f"signature {str(signature)[:20]!r}")

    @pytest.mark.row("JW-13")
    @pytest.mark.row("JW-21")
    @pytest.mark.row("JW-22")
    async def test_a_token_is_written_in_one_way_only(self, stage: Stage) -> None:
        """Compact, without padding or spaces, of three parts."""
        for signature in ("json", "padded", "spaced", "twice"):
            stage.idp.switch(signature=signature)
            await self.refused(stage, f"a token written {signature}")
        stage.idp.reset()
        for token in ("", ".", "..", "a.b", "a.b.c.d.e.f", "." * 200_000, "\N{SNOWMAN}.a.b", "{}"):
            stage.idp.switch(token={"id_token": token})
            await self.refused(stage, f"the token {token[:20]!r}")

    @pytest.mark.row("JW-14")
    async def test_what_a_header_calls_critical_is_not_passed_over(self, stage: Stage) -> None:
        """``crit`` names what must be understood (RFC 7515 §4.1.11); ``b64`` is not (RFC 7797)."""
        for header in CRITICAL:
            stage.idp.switch(header=header)
            await self.refused(stage, f"header {header}")

    @pytest.mark.row("JW-15")
    async def test_a_name_that_stands_twice_in_a_token_is_refused(self, stage: Stage) -> None:
        """In the header, and each claim that matters."""
        for name in ("header", "sub", "iss", "aud", "nonce", "exp"):
            stage.idp.switch(duplicate_keys=name)
            await self.refused(stage, f"{name} twice")

    @pytest.mark.row("JW-16")
    async def test_a_token_that_is_encrypted_to_nobody_is_refused(self, stage: Stage) -> None:
        """A JWE where a signed token belongs."""
        key = strangers_key("RS256").jwk() | {"use": "enc", "alg": "RSA-OAEP"}
        stage.idp.switch(encrypted={"jwk": key, "alg": "RSA-OAEP", "enc": "A128GCM"})
        await self.refused(stage, "an encrypted token")

    @pytest.mark.row("JW-23")
    async def test_claims_that_are_no_plain_object_are_refused(self, stage: Stage) -> None:
        """Lists, depth without end, numbers without measure, text that is none."""
        for name, payload in PAYLOADS.items():
            stage.idp.switch(payload=payload)
            await self.refused(stage, name)

    @pytest.mark.row("JW-25")
    @pytest.mark.row("JW-27")
    async def test_another_kind_of_token_is_no_id_token(self, stage: Stage) -> None:
        """An access token, a logout token, an assertion (RFC 8725 §3.11)."""
        for typ in ("at+jwt", "application/at+jwt", "AT+JWT", "logout+jwt", "dpop+jwt", "secevent+jwt", 7):
            stage.idp.switch(typ=typ)
            await self.refused(stage, f"typ {typ!r}")
        stage.idp.switch(typ=None)
        await self.sign_in(stage, stage.login())
        access_token = stage.idp.told[-1].get("access_token", "none.was.given")
        stage.idp.switch(token={"id_token": access_token}, at_hash="missing")
        await self.refused(stage, "an access token in place of the ID Token")
        stage.idp.switch(token=None, iss=ISSUER, aud="app")
        await self.refused(stage, "a token of our own issuer for an app of ours")

    # ── Its keys ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.row("JW-05")
    async def test_a_storm_of_unknown_keys_asks_once_and_hurts_nobody(self, stage: Stage) -> None:
        """The key set is asked for once a minute at most, whatever the tokens name (Core §10.1.1)."""
        await self.sign_in(stage, stage.login())
        for jwks in (None, "500", "not_json"):
            stage.now.forward(61)
            before = len(stage.idp.seen("jwks"))
            stage.idp.switch(kid="unknown", jwks=jwks)
            for number in range(15):
                stage.idp.switch(kid=f"unknown-{number}")
                await self.refused(stage, "an unknown key")
            must(len(stage.idp.seen("jwks")) <= before + 1, "the key set was asked for more than once")
            stage.idp.switch(kid=None)
            async with naming(f"after a storm, key set {jwks}"):
                await self.sign_in(stage, stage.login())

    @pytest.mark.row("KY-07")
    async def test_a_new_key_is_found_at_once_and_the_old_one_is_nobodys(self, stage: Stage) -> None:
        """Rotation needs no waiting, and leaves nothing behind (Core §10.1.1)."""
        await self.sign_in(stage, stage.login())
        old = list(stage.idp.keys)
        stage.idp.rotate()
        await self.sign_in(stage, stage.login())
        stage.idp.keys = old
        stage.idp.switch(jwks="empty")
        stage.now.forward(61)
        await self.refused(stage, "a key that is gone")

    @pytest.mark.row("JW-07")
    async def test_odd_keys_in_the_set_do_no_harm(self) -> None:
        """What is not understood is left out, and the others stay (RFC 7517 §5)."""
        for jwks in ("odd", "duplicate_kid"):
            async with self.on_stage() as stage, naming(f"key set {jwks}"):
                stage.idp.switch(jwks=jwks)
                await self.sign_in(stage, stage.login())

    @pytest.mark.row("UP-13")
    async def test_known_keys_stay_good_for_a_day_when_the_set_cannot_be_had(self, stage: Stage) -> None:
        """And no longer."""
        await self.sign_in(stage, stage.login())
        stage.idp.switch(jwks="500", discovery="500")
        stage.now.forward(2 * 3600)
        async with naming("two hours after the last key set"):
            await self.sign_in(stage, stage.login())
        stage.now.forward(3 * 86_400)
        await self.refused(stage, "three days after the last key set")
