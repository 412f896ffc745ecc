"""An upstream that gives codes, and one that cheats with them, breaks off, or drowns whoever asks.

Owns `OAuth2Kit`. RFC 6749 §4.1, §5 and §10; RFC 7636; RFC 9207 §2.4; RFC 9700 §2.1 and §4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from broker.kit.contract import secrets_of
from broker.kit.loop_clock import LoopClock, by_hand
from broker.kit.people import PeopleTests
from broker.kit.saying import Refusal, all_of, must, naming, refusal
from broker.kit.stage import Stage
from broker.protocol.errors import OAuthError

NEVER = ("slow", "drip", "stalled_headers")
DROWNING = ("oversize", "gzip_bomb", "long_header", "endless_headers")
BROKEN = ("not_json", "a_list", "utf16", "html", "garbage", "truncated", "drop", "second_answer")
LATER = ("500", "502", "503", "429", "retry_after")
MOVED = ("301", "302", "303", "307", "308")
MAX_CODE = 4096
MAX_TOLD = 600
"""Characters of an upstream's words that may stand in our log."""


class OAuth2Kit(PeopleTests):
    """The contract, and OAuth 2.0."""

    pkce: ClassVar[bool] = True
    """False for an upstream that has no PKCE."""
    names_issuer: ClassVar[bool] = True
    """False for a kind of upstream that has no issuer to tell on the callback (RFC 9207)."""

    lists: ClassVar[frozenset[str]] = frozenset()
    """The endpoints whose honest answer is a list."""

    async def refused(self, stage: Stage, case: object, **asked: Any) -> Refusal:
        """How a whole login was refused, of which nothing secret was told."""
        login = stage.login(**asked)
        told = await refusal(self.sign_in(stage, login), str(case)[:200])
        known = (*secrets_of(stage), login.verifier, login.state, *stage.idp.access_tokens)
        must(not any(secret in told.detail for secret in known), f"{case}: the detail holds a secret")
        must(len(told.detail) <= MAX_TOLD and told.detail.isprintable(), f"{case}: the detail is not short")
        return told

    async def given_up(self, stage: Stage, clock: LoopClock, case: str) -> None:
        """A login whose upstream never answers ends in time, and may be tried again."""
        login = asyncio.ensure_future(self.refused(stage, case))
        asked = asyncio.ensure_future(stage.idp.waiting.wait())
        try:
            await asyncio.wait((login, asked), return_when=asyncio.FIRST_COMPLETED)
            async with naming(case):
                await clock.until(login, within=stage.upstream.patience)
                told = await login
        finally:
            asked.cancel()
            login.cancel()
        must(told.error == "temporarily_unavailable", f"{case}: {told}")

    async def back_channel(self) -> list[str]:
        """The endpoints that the connector itself asks in a login, found by trying."""
        async with self.on_stage() as stage:
            await self.sign_in(stage, stage.login())
            return [name for name in dict.fromkeys(self.asked(stage)) if name != "authorize"]

    async def everywhere(self, troubles: Iterable[str]) -> list[tuple[str, str]]:
        """Each trouble at each endpoint that the connector asks."""
        asked = await self.back_channel()
        every = [(endpoint, trouble) for endpoint in asked for trouble in troubles]
        return [case for case in every if case[1] != "a_list" or case[0] not in self.lists]

    # ── The way out ───────────────────────────────────────────────────────────────────────────

    async def test_the_way_out_says_state_and_challenge(self, stage: Stage) -> None:
        """``state`` as the broker made it, PKCE with S256 where the upstream has it."""
        login = stage.login()
        await login.begin()
        await stage.idp.sign_in(login.url)
        (seen,) = stage.idp.seen("authorize")
        must(seen.query.get("state") == login.state, "the state is not the login's")
        must(seen.query.get("redirect_uri", "").endswith("/callback/up"), "the redirect_uri is not ours")
        must(seen.query.get("response_type", "code") == "code", "the response_type is not code")
        if self.pkce:
            must(seen.query.get("code_challenge_method") == "S256", "PKCE without S256")

    async def test_no_secret_stands_in_any_url_that_is_asked(self, stage: Stage) -> None:
        """Tokens, codes and secrets go in headers and forms (RFC 9700 §4.3)."""
        login = stage.login()
        await self.sign_in(stage, login)
        told = (*secrets_of(stage), login.verifier, *stage.idp.codes, *stage.idp.access_tokens)
        for seen in stage.idp.requests:
            must(not any(secret in seen.path for secret in told), f"a secret in a URL of {seen.endpoint}")

    # ── The callback ──────────────────────────────────────────────────────────────────────────

    @pytest.mark.row("CB-09")
    @pytest.mark.row("CB-10")
    async def test_an_answer_of_another_issuer_sends_its_code_nowhere(self, stage: Stage) -> None:
        """The mix-up ends before the code goes to anybody (RFC 9207 §2.4)."""
        if not self.names_issuer:
            return
        issuer = stage.idp.issuer
        for said in ("https://evil.example", f"{issuer}x", issuer.swapcase(), issuer[:-1], ""):
            stage.idp.switch(callback={"iss": said})
            await self.refused(stage, f"iss {said!r}")
            must(not stage.idp.seen("token"), f"iss {said!r}: the code was sent to the token endpoint")

    @pytest.mark.row("CB-13")
    async def test_a_code_beside_an_error_is_refused(self, stage: Stage) -> None:
        """One of them is not the upstream's."""
        stage.idp.switch(callback={"error": "access_denied"})
        await self.refused(stage, "a code and an error")
        must(not stage.idp.seen("token"), "the code was sent to the token endpoint")

    @pytest.mark.row("CB-14")
    async def test_a_code_that_no_upstream_makes_is_sent_to_none(self, stage: Stage) -> None:
        """None, empty, without measure, or with bytes that no code has."""
        for code in (
            None,
            "",
            "x" * (MAX_CODE + 1),
            "a\0b",
            "a\r\nb",
            "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
        ):
            stage.idp.switch(callback={"code": code})
            await self.refused(stage, f"code {str(code)[:20]!r}")
            must(not stage.idp.seen("token"), f"code {str(code)[:20]!r} was sent to the token endpoint")

    async def test_a_person_who_says_no_is_told_from_a_fault(self, stage: Stage) -> None:
        """``access_denied`` goes on to the client app, and the upstream's words do not."""
        stage.idp.switch(
            callback={"code": None, "error": "access_denied", "error_description": "<b>no</b>" * 99}
        )
        told = await self.refused(stage, "access_denied")
        must(told.error == "access_denied", f"access_denied became {told.error}")
        stage.idp.switch(callback={"code": None, "error": "temporarily_unavailable"})
        told = await self.refused(stage, "temporarily_unavailable")
        must(told.error == "temporarily_unavailable", f"temporarily_unavailable became {told.error}")

    @pytest.mark.row("CB-17")
    async def test_a_code_of_another_login_is_refused(self, stage: Stage) -> None:
        """Code injection, both ways: PKCE or the nonce binds a code to its login (RFC 9700 §4.5)."""
        mine, theirs = stage.login(), stage.login()
        answers = [await login.at_the_upstream() for login in (mine, theirs)]
        for login, answer in ((mine, answers[1]), (theirs, answers[0])):
            await refusal(login.finish({**answer, "state": login.state}), "the code of another login")

    @pytest.mark.row("CB-03")
    async def test_a_code_is_good_once(self, stage: Stage) -> None:
        """What comes back twice signs in once."""
        login = stage.login()
        answer = await login.at_the_upstream()
        await login.finish(answer)
        await refusal(login.finish(answer), "a code that was used")

    # ── The back channel ──────────────────────────────────────────────────────────────────────

    @pytest.mark.row("CB-37")
    @pytest.mark.row("UP-05")
    async def test_no_redirect_is_followed(self) -> None:
        """Credentials, codes and tokens stay at home."""

        async def moved(case: tuple[str, str]) -> None:
            async with self.on_stage() as stage:
                stage.idp.switch(**{case[0]: case[1]})
                await self.refused(stage, case)
                must("unknown" not in self.asked(stage), f"{case}: the redirect was followed")

        await all_of(await self.everywhere(MOVED), moved)

    @pytest.mark.row("CB-36")
    @pytest.mark.row("UP-17")
    async def test_no_cookie_is_ever_sent_back(self, stage: Stage) -> None:
        """One person's cookie must not speak in another's login."""
        stage.idp.switch(cookies=True)
        for _ in range(2):
            await self.sign_in(stage, stage.login())
        for seen in stage.idp.requests:
            must("Cookie" not in seen.headers, f"{seen.endpoint} got a cookie back")

    @pytest.mark.row("UP-07")
    async def test_an_answer_without_measure_is_refused(self) -> None:
        """Too large, compressed to look small, or with headers that do not end."""
        await all_of(await self.everywhere(DROWNING), self._spoilt)

    @pytest.mark.row("JW-15")
    @pytest.mark.row("UP-21")
    async def test_an_answer_that_is_no_answer_is_refused(self) -> None:
        """No JSON, no object, no HTTP, half of it, or two where one was asked for."""
        await all_of(await self.everywhere(BROKEN), self._spoilt)

    @pytest.mark.row("UP-06")
    async def test_an_upstream_that_never_answers_is_given_up_in_time(self) -> None:
        """Silence, a byte now and then, half of a header: ``temporarily_unavailable``."""
        for endpoint, wrong in await self.everywhere(NEVER):
            with by_hand(step=0.5) as clock:
                async with self.on_stage() as stage:
                    stage.idp.switch(**{endpoint: wrong})
                    await self.given_up(stage, clock, f"{endpoint} {wrong}")

    @pytest.mark.row("UP-09")
    @pytest.mark.row("UP-15")
    async def test_a_code_is_sent_once_whatever_becomes_of_it(self) -> None:
        """An upstream that is unwell is asked later, and never twice with one code (RFC 9110 §9.2.2)."""

        async def once(wrong: str) -> None:
            async with self.on_stage() as stage:
                stage.idp.switch(token=wrong)
                told = await self.refused(stage, f"token {wrong}")
                must(len(stage.idp.seen("token")) == 1, f"{wrong}: the code was sent again")
                late = wrong in {*LATER, "drop", "truncated"}
                must(not late or told.error == "temporarily_unavailable", f"{wrong}: {told}")

        await all_of((*LATER, *BROKEN), once)

    async def test_an_error_with_status_200_is_an_error(self, stage: Stage) -> None:
        """Some upstreams say no with a status that says yes."""
        stage.idp.switch(token="error_in_200")
        await self.refused(stage, "an error with status 200")

    @pytest.mark.row("JW-15")
    async def test_a_member_that_stands_twice_is_refused(self, stage: Stage) -> None:
        """Two readers of one answer must not read two answers."""
        stage.idp.switch(token="duplicate_keys")
        await self.refused(stage, "a token answer whose members stand twice")

    @pytest.mark.row("CB-19")
    async def test_what_is_merely_odd_in_a_token_answer_does_no_harm(self, stage: Stage) -> None:
        """Numbers as text, members that nobody knows, ``bearer`` in any case (RFC 6749 §5.1)."""
        for odd in ({"expires_in": "300"}, {"expires_in": -1}, {"more": [1]}, {"token_type": "bearer"}):
            stage.idp.switch(token=odd)
            async with naming(odd):
                await self.sign_in(stage, stage.login())

    @pytest.mark.row("CB-19")
    async def test_a_token_of_a_type_that_we_cannot_use_is_refused(self, stage: Stage) -> None:
        """Sent as a bearer it would tell what must be proved otherwise (RFC 6749 §7.1)."""
        await self.sign_in(stage, stage.login())
        if "access_token" not in stage.idp.told[-1]:
            return  # there is none to be sent
        for said in ("no_token_type", {"token_type": "mac"}, {"token_type": ""}, {"token_type": ["Bearer"]}):
            stage.idp.switch(token=said)
            await self.refused(stage, f"token {said}")

    @pytest.mark.row("CB-18")
    async def test_who_signs_in_without_an_access_token_has_a_signed_one(self, stage: Stage) -> None:
        """An answer with neither is about nobody (RFC 6749 §5.1)."""
        stage.idp.switch(token={"access_token": None})
        try:
            identity = await self.sign_in(stage, stage.login())
        except OAuthError as error:
            must(error.reason != "connector_failed", f"no access_token: {error.detail}")
            return
        must(identity.id_token, "somebody signed in of whom no token speaks")

    @pytest.mark.row("LG-02")
    async def test_the_token_endpoints_own_words_are_cut_down(self, stage: Stage) -> None:
        """They go to the log, which they must neither fill nor break."""
        for words in ("x" * 10_000, "a\r\nb\u202e\x1b[31m", "{" * 2000):
            said = {"access_token": None, "error": "invalid_grant", "error_description": words}
            stage.idp.switch(token=said)
            await self.refused(stage, "an error of many words")

    @pytest.mark.row("CB-19")
    async def test_an_access_token_that_no_header_takes_is_refused(self, stage: Stage) -> None:
        """No text, or not one that is sent on without harm."""
        for said in (["x"], 7, {"a": 1}):
            stage.idp.switch(token={"access_token": said})
            await self.refused(stage, f"access_token {said}")

    # ── Many at once ──────────────────────────────────────────────────────────────────────────

    @pytest.mark.row("UP-14")
    async def test_a_late_answer_reaches_nobody_else(self) -> None:
        """What comes after the deadline is lost, and the next login is its own."""
        with by_hand(step=0.5) as clock:
            async with self.on_stage() as stage:
                await self.sign_in(stage, stage.login())
                stage.idp.switch(token="slow")
                await self.given_up(stage, clock, "an answer after the deadline")
                stage.idp.reset()
                stage.idp.release()
                stage.now.forward(60)
                login, answer = await self.arrived(stage, self.another(stage.idp))
                next_one, again = await login.finish(answer), await self.sign_in(stage, stage.login())
                must(next_one.subject == again.subject, "an answer of another login was taken")

    # ── How fresh ────────────────────────────────────────────────────────────────────

    @pytest.mark.row("CB-30")
    async def test_an_old_login_never_passes_for_a_fresh_one(self, stage: Stage) -> None:
        """``prompt=login`` and ``max_age`` are proved, or the client app hears that they are not."""
        await self.sign_in(stage, stage.login())
        stage.now.forward(3600)
        stage.idp.switch(ignores_prompt=True)
        for asked in ({"max_age": 60}, {"max_age": 0}, {"prompt": frozenset({"login"})}):
            told = await self.refused(stage, asked, **asked)
            must(told.error in {"login_required", "detour"}, f"{asked}: {told}")

    # ── For the tests ─────────────────────────────────────────────────────────────────────────

    async def _spoilt(self, case: tuple[str, str]) -> None:
        """The trouble costs this login; the next one, after a while, is as good as ever."""
        async with self.on_stage() as stage:
            stage.idp.switch(**{case[0]: case[1]})
            await self.refused(stage, case)
            stage.idp.reset()
            stage.now.forward(120)
            async with naming(f"after {case}"):
                identity = await self.sign_in(stage, stage.login())
            must("planted" not in str(identity), f"{case}: an answer that nobody asked for was taken")
