"""The kit is worth its time: each careless connector here is caught by the test that is about it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import signature
from types import ModuleType
from typing import Any, ClassVar

import pytest

from broker.config.connectors import load_module
from broker.connector import Departure, Login, UpstreamError, UpstreamIdentity, UpstreamInvalid
from broker.kit import OpenIDKit
from connectors import oauth2, oidc

NAME = "careless.connector"


class WithoutPKCE(oidc.Connector):
    def _uses_pkce(self, metadata: Any) -> bool:
        return False


class WithoutState(oidc.Connector):
    async def begin(self, login: Login) -> Departure:
        return await super().begin(replace(login, state="always-the-same"))


class KeepsTheVerifier(oidc.Connector):
    async def begin(self, login: Login) -> Departure:
        departed = await super().begin(login)
        return replace(departed, memory={**departed.memory, "verifier": login.code_verifier})


class TellsTheSecret(oidc.Connector):
    async def begin(self, login: Login) -> Departure:
        departed = await super().begin(login)
        return replace(departed, url=f"{departed.url}&client_secret={self._settings.client_secret.reveal()}")


class KnowsPeopleByTheirAddress(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        found = await super().finish(login, answer, memory)
        return replace(found, subject=str(found.id_token.get("email")))


class FoldsCase(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        found = await super().finish(login, answer, memory)
        return replace(found, subject=found.subject.strip().lower())


class BelievesAnyIssuerOnTheCallback(oidc.Connector):
    async def finish(self, login: Login, answer: Mapping[str, str], memory: Any) -> UpstreamIdentity:
        return await super().finish(login, {**answer, "iss": self._settings.issuer}, memory)


class TakesTheCodeBesideAnError(oidc.Connector):
    async def finish(self, login: Login, answer: Mapping[str, str], memory: Any) -> UpstreamIdentity:
        return await super().finish(login, {k: v for k, v in answer.items() if k != "error"}, memory)


class TriesAgain(oidc.Connector):
    async def _redeemed(self, login: Login, code: str, metadata: Any, *, pkce: bool) -> Any:
        try:
            return await super()._redeemed(login, code, metadata, pkce=pkce)
        except UpstreamError:
            return await super()._redeemed(login, code, metadata, pkce=pkce)


class Remembers(oidc.Connector):
    last: UpstreamIdentity | None = None

    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        self.last = self.last or await super().finish(login, answer, memory)
        return self.last


class RaisesWhatComes(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        return await super().finish(login, {"code": answer["code"], **answer}, memory)


class TellsTheCode(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        try:
            return await super().finish(login, answer, memory)
        except UpstreamInvalid as error:
            raise UpstreamInvalid(error.reason, f"with the verifier {login.code_verifier}") from error


class AnybodysUserinfo(oidc.Connector):
    async def userinfo(self, tokens: oauth2.Tokens, claims: Any, metadata: Any) -> Any:
        answer = await self._tools.http.get(metadata.userinfo_endpoint, bearer=tokens.access_token)
        return answer.json()


class MissesThePromisedIssuer(oidc.Connector):
    def _code(self, answer: Mapping[str, str], metadata: Any) -> str:
        return oauth2.read_code(answer, issuer=self.callback_issuer)


class TakesATokenForOthersToo(oidc.Connector):
    def _expected(self, *args: Any, **how: Any) -> Any:
        return replace(
            super()._expected(*args, **how), trusted_audiences=frozenset({"evil", "another-client"})
        )


class SaysTheLoginIsFresh(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        found = await super().finish(login, answer, memory)
        return replace(found, auth_time=found.auth_time or int(self._tools.now()))


class SaysWhatWasAskedFor(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        found = await super().finish(login, answer, memory)
        return replace(found, acr=next(iter(login.acr_values), found.acr))


class BelievesUserinfoOfTheLogin(oidc.Connector):
    async def finish(self, login: Login, answer: Any, memory: Any) -> UpstreamIdentity:
        found = await super().finish(login, answer, memory)
        acr = found.userinfo.get("acr")
        return replace(found, acr=acr if isinstance(acr, str) else found.acr)


class TakesAnyTypeOfToken(oidc.Connector):
    async def _redeemed(self, login: Login, code: str, metadata: Any, *, pkce: bool) -> oauth2.Tokens:
        form = oauth2.code_grant(login, code, pkce=pkce)
        basic = oauth2._authenticate(self._tools, self.client(metadata), form)
        answer = await self._tools.http.post(metadata.token_endpoint, form, basic=basic)
        said = answer.json()
        answer = replace(answer, body=json.dumps({**said, "token_type": "Bearer"}).encode())
        return oauth2.read_tokens(answer)


class TellsAllThatItWasTold(oidc.Connector):
    async def _redeemed(self, *args: Any, **how: Any) -> oauth2.Tokens:
        try:
            return await super()._redeemed(*args, **how)
        except oauth2.TokenRefused as error:
            raise UpstreamInvalid("token_error", str(error.members["error_description"])) from error


class LogsWhatItIsGiven(oidc.Connector):
    async def _redeemed(self, *args: Any, **how: Any) -> oauth2.Tokens:
        tokens = await super()._redeemed(*args, **how)
        logging.getLogger("careless").debug("got %s", tokens.access_token)
        return tokens


class FallsOverWithoutAToken(oidc.Connector):
    async def _redeemed(self, *args: Any, **how: Any) -> oauth2.Tokens:
        tokens = await super()._redeemed(*args, **how)
        if tokens.access_token is None:
            raise KeyError("access_token")
        return tokens


CAUGHT = {
    LogsWhatItIsGiven: ["test_nothing_secret_is_logged"],
    FallsOverWithoutAToken: ["test_who_signs_in_without_an_access_token_has_a_signed_one"],
    MissesThePromisedIssuer: ["test_an_issuer_that_is_promised_on_the_callback_is_not_missed"],
    TakesATokenForOthersToo: ["test_a_token_that_is_for_others_too_is_refused"],
    SaysTheLoginIsFresh: ["test_what_the_id_token_does_not_say_of_the_login_is_not_known"],
    SaysWhatWasAskedFor: ["test_what_the_id_token_says_of_the_login_is_what_is_known"],
    BelievesUserinfoOfTheLogin: ["test_userinfo_says_nothing_of_the_login"],
    TakesAnyTypeOfToken: ["test_a_token_of_a_type_that_we_cannot_use_is_refused"],
    TellsAllThatItWasTold: ["test_the_token_endpoints_own_words_are_cut_down"],
    WithoutPKCE: ["test_the_way_out_says_state_and_challenge"],
    WithoutState: ["test_the_way_out_says_state_and_challenge"],
    KeepsTheVerifier: ["test_memory_is_small_and_holds_nothing_secret"],
    TellsTheSecret: ["test_the_way_out_carries_no_secret"],
    KnowsPeopleByTheirAddress: ["test_a_new_name_is_the_same_person"],
    FoldsCase: ["test_two_spellings_are_two_people"],
    BelievesAnyIssuerOnTheCallback: ["test_an_answer_of_another_issuer_sends_its_code_nowhere"],
    TakesTheCodeBesideAnError: ["test_a_code_beside_an_error_is_refused"],
    TriesAgain: ["test_a_code_is_sent_once_whatever_becomes_of_it"],
    Remembers: ["test_another_person_is_another_subject"],
    RaisesWhatComes: ["test_an_answer_that_no_upstream_gives_is_refused"],
    TellsTheCode: ["test_the_nonce_is_this_logins"],
    AnybodysUserinfo: ["test_userinfo_of_somebody_else_ends_the_login"],
}


class Careless(OpenIDKit):
    connector: ClassVar = {
        "type": NAME,
        "issuer": "{issuer}",
        "client_id": "{client_id}",
        "client_secret": "{client_secret}",
    }


@pytest.fixture
def careless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connector of this case, under a name that a configuration can say."""
    package, module = ModuleType("careless"), ModuleType(NAME)
    module.Settings, module.CLAIMS, module.Connector = oidc.Settings, oidc.CLAIMS, request.param
    monkeypatch.setitem(sys.modules, "careless", package)
    monkeypatch.setitem(sys.modules, NAME, module)
    load_module.cache_clear()
    yield
    load_module.cache_clear()


CASES = [pytest.param(kind, test, id=f"{kind.__name__}") for kind, tests in CAUGHT.items() for test in tests]


async def passed(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Run this test of the kit over the connector of this case."""
    kit, test = Careless(), getattr(OpenIDKit, name)
    wanted = signature(test).parameters
    given = {"caplog": caplog} if "caplog" in wanted else {}
    if "stage" not in wanted:
        await test(kit, **given)
        return
    async with kit.on_stage() as stage:
        await test(kit, stage, **given)


@pytest.mark.parametrize(("careless", "test"), CASES, indirect=["careless"])
async def test_carelessness_is_caught(careless: None, test: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError):
        await passed(test, caplog)


@pytest.mark.parametrize("careless", [oidc.Connector], indirect=True)
async def test_care_is_not_caught(careless: None, caplog: pytest.LogCaptureFixture) -> None:
    for test in {test for tests in CAUGHT.values() for test in tests}:
        await passed(test, caplog)
