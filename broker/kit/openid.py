"""An OpenID Provider, and one that lies about who it is, whom it means, and when.

Owns `OpenIDKit`. OpenID Connect Core §3.1.3.7, §5.3.2 and §15.5; Discovery §4.3; RFC 8414 §3.3.
A connector that passes has believed nothing that its upstream may not say.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from broker.kit.facts import FactTests
from broker.kit.oauth2 import MOVED
from broker.kit.saying import all_of, must, naming, refusal
from broker.kit.stage import Clock, Stage
from broker.protocol.errors import OAuthError

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
NO_ENDPOINTS: tuple[Any, ...] = (
    "http://idp.example/x",
    "file:///etc/passwd",
    "//idp.example/x",
    "/x",
    "https://user@idp.example/x",
    "https://idp.example/x#y",
    "https://",
    "javascript:alert(1)",
    7,
    ["https://idp.example/x"],
)
FOLDED = ("ann", "Ann", "ANN", "ann ", "ann\u200b", "\u00e4nn", "a\u0308nn", "ann\0")
"""Subjects that a careless comparison takes for one."""


class OpenIDKit(FactTests):
    """The contract, OAuth 2.0, and OpenID Connect."""

    subject_claim: ClassVar[str] = "sub"
    """The claim of the ID Token that the subject is made of, where it is not ``sub``."""

    # ── Claims ────────────────────────────────────────────────────────────────────────────────

    async def lies(self, stage: Stage, claim: str, values: tuple[Any, ...]) -> None:
        """Each of these values is refused."""
        for said in values:
            stage.idp.switch(**{claim: said})
            await self.refused(stage, f"{claim} {str(said)[:60]}")

    @pytest.mark.row("CB-18")
    async def test_no_id_token_is_no_login(self, stage: Stage) -> None:
        """Userinfo does not stand in for it: an access token does not say for whom it was made."""
        stage.idp.switch(token="no_id_token")
        await self.refused(stage, "no ID Token")

    @pytest.mark.row("CB-21")
    async def test_the_nonce_is_this_logins(self, stage: Stage) -> None:
        """Missing, another's, of another type (Core §15.5.2)."""
        await self.lies(stage, "nonce", ("missing", "wrong", "", ["array"], 7, {}, True))

    @pytest.mark.row("CB-29")
    async def test_an_id_token_of_an_earlier_login_is_refused(self, stage: Stage) -> None:
        """Genuine, of the same person and for the same client, and yet not for this login."""
        await self.sign_in(stage, stage.login())
        stage.idp.switch(token={"id_token": stage.idp.told[-1]["id_token"]})
        await self.refused(stage, "the ID Token of an earlier login")

    @pytest.mark.row("CB-22")
    async def test_the_issuer_is_exactly_the_one_that_was_meant(self, stage: Stage) -> None:
        """No prefix, no other case, no slash more or less (Core §3.1.3.7 rule 2)."""
        issuer = stage.idp.issuer
        near = (f"{issuer}/", f"{issuer}x", issuer[:-1], issuer.swapcase(), f" {issuer}")
        await self.lies(stage, "iss", ("missing", "https://evil.example", *near, "", 7, [issuer], {}))

    @pytest.mark.row("CB-23")
    async def test_the_audience_is_us_and_nobody_unknown(self, stage: Stage) -> None:
        """Core §3.1.3.7 rules 3 to 5."""
        us = stage.idp.client_id
        other = ("missing", "another-client", us[:-1], f"{us}2", us.swapcase(), 7, {us: 1})
        await self.lies(stage, "aud", (*other, [], [us, 7], [[us]], [us, "evil"], ["evil"]))

    @pytest.mark.row("CB-23")
    async def test_the_authorized_party_is_us_where_it_is_named(self, stage: Stage) -> None:
        """Core §3.1.3.7 rule 5."""
        await self.lies(stage, "azp", ("another-client", "", 7, [stage.idp.client_id]))

    @pytest.mark.row("CB-25")
    async def test_a_token_that_is_over_is_refused(self, stage: Stage) -> None:
        """Past, missing, no number, or in milliseconds."""
        past = ("missing", "wrong", 0, -1, int(stage.now()) - 3600)
        malformed = (
            "soon",
            True,
            [1],
            10**30,
            int(stage.now() * 1000) + 300_000,
            str(int(stage.now()) + 300),
        )
        await self.lies(stage, "exp", (*past, *malformed, float("nan"), float("inf")))

    @pytest.mark.row("CB-26")
    async def test_a_token_from_the_future_or_from_long_ago_is_refused(self, stage: Stage) -> None:
        """``iat`` and ``nbf``, with ten seconds for clocks that differ."""
        await self.lies(stage, "iat", ("missing", "wrong", "x", False, 1, int(stage.now() * 1000)))
        stage.idp.reset()
        await self.lies(stage, "nbf", ("wrong", "soon", [0]))

    @pytest.mark.row("KY-11")
    async def test_clocks_may_differ_a_little_and_not_more(self, stage: Stage) -> None:
        """Eight seconds either way, not a minute."""
        for skew in (8, -8):
            stage.idp.now = _ahead(stage.now, skew)
            async with naming(f"{skew} seconds"):
                await self.sign_in(stage, stage.login())
        stage.idp.now = _ahead(stage.now, 61)
        await self.refused(stage, "a clock one minute ahead")

    @pytest.mark.row("CB-27")
    async def test_the_hashes_bind_what_comes_beside_the_token(self, stage: Stage) -> None:
        """``at_hash`` and ``c_hash``, where they are (Core §3.1.3.6, §3.3.2.11)."""
        await self.lies(stage, "at_hash", ("wrong", "", 7, ["x"]))
        stage.idp.reset()
        await self.lies(stage, "c_hash", ("wrong", "", 7))

    async def test_a_subject_is_a_text_of_some_measure(self, stage: Stage) -> None:
        """Core §2: at most 255 characters."""
        await self.lies(stage, "sub", ("missing", "", 7, ["ann"], {}, "x" * 256))

    @pytest.mark.row("CB-30")
    async def test_a_time_of_login_that_cannot_be_is_refused(self, stage: Stage) -> None:
        """No number, or in the future."""
        await self.lies(stage, "auth_time", ("yesterday", True, 10**13, int(stage.now()) + 3600))

    @pytest.mark.row("UI-06")
    @pytest.mark.row("UI-14")
    async def test_two_spellings_are_two_people(self, stage: Stage) -> None:
        """Nothing is folded, trimmed or normalised: each is somebody else, or refused."""
        found: dict[str, str] = {}
        for said in FOLDED:
            stage.idp.switch(claims={self.subject_claim: said})
            try:
                identity = await self.sign_in(stage, stage.login())
            except OAuthError as error:
                must(error.reason != "connector_failed", f"{said!r}: {error.detail}")
                continue
            same = found.setdefault(identity.subject, said)
            must(same == said, f"{said!r} and {same!r} are one person")
        must(unicodedata.normalize("NFC", FOLDED[6]) == FOLDED[5], "the corpus is broken")

    @pytest.mark.row("UI-11")
    async def test_claims_without_measure_break_nothing(self, stage: Stage) -> None:
        """Depth, length, control characters, all in one token."""
        deep: Any = "x"
        for _ in range(200):
            deep = [deep]
        for said in ({"groups": ["g" * 50] * 3000}, {"name": "\u202e\0\r\n"}, {"deep": deep}, {"name": deep}):
            stage.idp.switch(claims=said)
            try:
                identity = await self.sign_in(stage, stage.login())
            except OAuthError as error:
                must(error.reason != "connector_failed", f"{str(said)[:40]}: {error.detail}")
                continue
            self.mapped(stage, identity)

    @pytest.mark.row("UI-14")
    async def test_asked_again_it_is_nobody_else(self) -> None:
        """An answer about another person is refused (Core §12.2), or told as that person's."""
        if self.asked_again is None:
            return
        async with self.on_stage(self.asked_again) as stage:
            first = await self.signed_in(stage)
            stage.idp.switch(claims={self.subject_claim: self.other}, userinfo={"sub": self.other})
            try:
                again = await stage.upstream.refresh(first.keep)
            except OAuthError as error:
                must(error.reason != "connector_failed", f"somebody else: {error.detail}")
                return
            # The broker compares the subject as well, and ends the grant.
            must(again.subject != first.subject, "the claims of somebody else are told as this person's")

    @pytest.mark.row("RT-14")
    async def test_a_refresh_token_that_came_is_not_lost_to_what_fails_after_it(self) -> None:
        """One that is good once is put into ``keep`` before the rest of the answer is looked at."""
        if self.asked_again is None:
            return
        async with self.on_stage(self.asked_again) as stage:
            stage.idp.rotates = True
            first, kept = await self.signed_in(stage), dict[str, str]()
            if not stage.idp.refresh_tokens:  # it is asked again by something else
                return
            stage.idp.switch(signature="foreign")
            await refusal(stage.upstream.refresh(first.keep, kept), "an ID Token signed by somebody else")
            good = stage.idp.refresh_tokens.keys() & set(kept.values())
            must(good, "the refresh token that came is nowhere in `keep`, and the one before is spent")

    # ── Userinfo ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.row("CB-31")
    async def test_userinfo_of_somebody_else_ends_the_login(self) -> None:
        """Another's, nobody's, or unsure whose (Core §5.3.2)."""
        if self.userinfo is None:
            return
        async with self.on_stage(self.userinfo) as stage:
            await self.sign_in(stage, stage.login())
            must(stage.idp.seen("userinfo"), "userinfo was not asked")
            wrongs: tuple[Any, ...] = ("other_sub", "no_sub", "duplicate_keys", {"sub": ["ann"]}, {"sub": 7})
            for wrong in wrongs:
                stage.idp.switch(userinfo=wrong)
                await self.refused(stage, f"userinfo {wrong}")

    @pytest.mark.row("UP-05")
    @pytest.mark.row("UP-07")
    async def test_userinfo_that_is_broken_ends_the_login(self) -> None:
        """It was wanted, so its absence is not passed over; its redirects are not followed."""
        if self.userinfo is None:
            return
        keys = self.userinfo

        async def broken(wrong: str) -> None:
            async with self.on_stage(keys) as stage:
                stage.idp.switch(userinfo=wrong)
                await self.refused(stage, f"userinfo {wrong}")
                must("unknown" not in self.asked(stage), f"userinfo {wrong}: the redirect was followed")

        await all_of(
            (*MOVED, "401", "403", "404", "500", "not_json", "a_list", "oversize", "gzip_bomb"), broken
        )

    # ── Metadata ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.row("UP-01")
    async def test_metadata_of_another_issuer_is_not_believed(self) -> None:
        """Compared exactly; the connector is out of service until it is right (Discovery §4.3)."""
        if "discovery" not in await self.back_channel():
            return
        async with self.on_stage() as known:
            honest = str(known.idp.metadata()["issuer"])
        near = (f"{honest}/", honest[:-1], honest.swapcase(), f"{honest}x", "https://evil.example", None, 7)
        for said in near:
            async with self.on_stage() as stage:
                right = str(stage.idp.metadata()["issuer"])
                wrong = said.replace(honest, right) if isinstance(said, str) else said
                wrong = wrong if wrong != honest else f"{right}x"
                stage.idp.switch(discovery={"issuer": wrong})
                told = await refusal(stage.login().begin(), f"metadata of {wrong!r}")
                must(told.error == "temporarily_unavailable", f"metadata of {wrong!r}: {told}")

    @pytest.mark.row("CB-10")
    async def test_an_issuer_that_is_promised_on_the_callback_is_not_missed(self, stage: Stage) -> None:
        """Where metadata says that answers name it, one without is somebody else's (RFC 9207 §2.4)."""
        promised = stage.idp.metadata().get("authorization_response_iss_parameter_supported")
        await self.sign_in(stage, stage.login())
        if not self.names_issuer or promised is not True or "discovery" not in self.asked(stage):
            return
        before = len(stage.idp.seen("token"))
        stage.idp.switch(callback={"iss": None})
        await self.refused(stage, "no iss")
        must(len(stage.idp.seen("token")) == before, "no iss: the code was sent to the token endpoint")

    @pytest.mark.row("UP-02")
    async def test_metadata_that_names_no_real_endpoint_is_not_believed(self) -> None:
        """Each must be https, absolute, and nothing hidden in it."""
        if "discovery" not in await self.back_channel():
            return
        for name in ENDPOINTS:
            for url in NO_ENDPOINTS:
                async with self.on_stage() as stage:
                    stage.idp.switch(discovery={name: url})
                    await self.refused(stage, f"{name} {url!r}")

    @pytest.mark.row("UP-19")
    async def test_endpoints_do_not_move_to_another_origin_unseen(self, stage: Stage) -> None:
        """Who takes over the metadata for an hour gets no codes, no secrets and no signatures."""
        await self.sign_in(stage, stage.login())
        if "discovery" not in self.asked(stage):
            return
        async with self.provider.running(**self.provider_says) as evil:
            evil.now = stage.now
            for name, endpoint in (("token_endpoint", "token"), ("jwks_uri", "jwks")):
                stage.now.forward(3 * 86_400)
                stage.idp.switch(discovery={name: evil.origin + evil.path.rstrip("/") + evil.paths[endpoint]})
                await self.refused(stage, f"another {name}")
            must(
                not evil.requests, f"{[seen.endpoint for seen in evil.requests]} of another origin was asked"
            )

    @pytest.mark.row("UP-11")
    async def test_many_cold_logins_ask_for_each_document_once(self, stage: Stage) -> None:
        """And one that is cancelled takes nobody with it."""
        logins = [asyncio.ensure_future(self.sign_in(stage, stage.login())) for _ in range(20)]
        await asyncio.sleep(0)
        logins[0].cancel()
        ended = await asyncio.gather(*logins, return_exceptions=True)
        failed = [end for end in ended[1:] if isinstance(end, BaseException)]
        must(not failed, f"{len(failed)} of 19 logins failed: {failed[:1]}")
        for document in ("discovery", "jwks"):
            must(len(stage.idp.seen(document)) <= 1, f"{document} was asked more than once")


def _ahead(clock: Clock, seconds: float) -> Callable[[], float]:
    return lambda: clock() + seconds
