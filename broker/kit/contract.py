"""What the broker relies on in every connector, whatever kind of upstream it speaks to.

Owns `ConnectorKit`. A kit is a class of tests: a subclass says which connector, at which fake provider, and
pytest runs what it inherits. For an upstream that is no `FakeProvider` a subclass brings a fixture ``stage``
and a method `sign_in` of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from broker.connector import ConnectorSettings, Secret, UpstreamIdentity
from broker.endpoints.recognition import mapped_by, told_by
from broker.kit.provider import FakeProvider
from broker.kit.saying import must, refusal
from broker.kit.stage import Login, Stage, opened
from broker.mapping import PROTOCOL_CLAIMS, Mapped
from broker.protocol.errors import OAuthError

MEMORY = 1024
"""Characters that a connector may want to find again; each login under way keeps them."""
GARBAGE: tuple[Mapping[str, str], ...] = (
    {},
    {"code": ""},
    {"code": "x", "error": "access_denied"},
    {"error": "<script>alert(1)</script>"},
    {"error": "e" * 10_000},
    {"error": "access denied\r\nSet-Cookie: a=b"},
    {"SAMLResponse": "PHNhbWxwOlJlc3BvbnNlLz4="},
    {"SAMLResponse": "%%%"},
    {"id_token": "a.b.c"},
    {"login_id": "somebody-elses"},
    {"\0": "\0"},
    {"code": "\0", "iss": "https://evil.example"},
)
"""Answers that no upstream ever gives."""


@pytest.mark.asyncio
class ConnectorKit:
    """The contract."""

    connector: ClassVar[Mapping[str, Any]]
    """Its entry under ``connectors``, with ``{client_id}``, ``{client_secret}``, ``{issuer}``, ``{base}``,
    ``{origin}`` and ``{host}`` (of the origin, with its port) for what only the running provider knows."""
    provider: ClassVar[type[FakeProvider]] = FakeProvider
    """What plays the upstream."""
    provider_says: ClassVar[Mapping[str, Any]] = {}
    """What the provider is made with."""
    other: ClassVar[str] = "bob"
    """What the provider knows a second person by."""
    other_person: ClassVar[Mapping[str, Any]] = {"name": "Bob Other", "email": "bob@example.com"}
    """What it says of them, where that is something else than of the first."""

    # ── What a subclass may bring ─────────────────────────────────────────────────────────────

    def entry(self, idp: FakeProvider, **changes: Any) -> dict[str, Any]:
        """The connector's entry at this provider."""
        known = {
            "client_id": idp.client_id,
            "client_secret": idp.client_secret,
            "issuer": idp.issuer,
            "base": idp.base,
            "origin": idp.origin,
            "host": idp.origin.partition("://")[2],
        }
        return {key: _filled(value, known) for key, value in {**self.connector, **changes}.items()}

    async def sign_in(self, stage: Stage, login: Login) -> UpstreamIdentity:
        """A person's part of this login, and its end."""
        return await login.finish(await stage.idp.sign_in(await login.begin()))

    @asynccontextmanager
    async def on_stage(self, changes: Mapping[str, Any] | None = None) -> AsyncIterator[Stage]:
        """The connector at a provider of its own, with changes to its entry."""
        async with (
            self.provider.running(**self.provider_says) as idp,
            opened(idp, {"up": self.entry(idp, **(changes or {}))}) as stage,
        ):
            yield stage

    @pytest_asyncio.fixture
    async def stage(self) -> AsyncIterator[Stage]:
        """The connector, opened at its provider."""
        async with self.on_stage() as stage:
            yield stage

    # ── The module ────────────────────────────────────────────────────────────────────────────

    async def test_the_module_has_what_the_contract_names(self, stage: Stage) -> None:
        """``Settings``, ``Connector`` and ``CLAIMS``; the class is made of settings and tools."""
        config = stage.config
        for name in ("Settings", "Connector", "CLAIMS"):
            must(hasattr(config.module, name), f"{config.type} has no {name}")
        settings = config.module.Settings
        must(issubclass(settings, ConnectorSettings), "Settings is no ConnectorSettings")
        must(settings.model_config.get("frozen"), "Settings can be changed")
        must(settings.model_config.get("extra") == "forbid", "Settings takes keys that it does not know")
        for duty in ("begin", "finish", "ping"):
            must(callable(getattr(config.module.Connector, duty, None)), f"Connector has no {duty}")

    async def test_settings_print_no_secret(self, stage: Stage) -> None:
        """Neither as text nor as JSON."""
        settings = stage.config.settings
        for shown in (repr(settings), str(settings), settings.model_dump_json()):
            for secret in secrets_of(stage):
                must(secret not in shown, "a secret stands in the printed settings")

    @pytest.mark.row("JW-26")
    async def test_its_claims_map_writes_no_claim_of_the_protocol(self, stage: Stage) -> None:
        """It is read as the broker reads it, its examples hold, and it names something."""
        mapped = self.mapped(stage, await self.sign_in(stage, stage.login()))
        written = PROTOCOL_CLAIMS & mapped.claims.keys()
        must(not written, f"the map writes {sorted(written)}, which is the protocol's")

    # ── The way out ───────────────────────────────────────────────────────────────────────────

    async def test_opening_it_contacts_nobody(self, stage: Stage) -> None:
        """An upstream that is down stops no start."""
        must(not self.asked(stage), f"{self.asked(stage)} was asked before anybody signed in")

    async def test_each_login_leaves_with_values_of_its_own(self, stage: Stage) -> None:
        """Nothing of one login is used in another."""
        first, second = stage.login(), stage.login()
        departed = [await first.begin(), await second.begin()]
        if stage.upstream.asks:
            return  # the page is ours, and the same for everybody until its state is added
        ways = [f"{login.url} {login.form}" for login in (first, second)]
        must(ways[0] != ways[1], f"two logins leave in the same way: {departed[0]}")
        for login, other in ((first, second), (second, first)):
            way = f"{login.url} {login.form} {login.memory}"
            for name in ("state", "nonce", "verifier"):
                must(getattr(other, name) not in way, f"the {name} of another login is in this one")

    async def test_the_way_out_carries_no_secret(self, stage: Stage) -> None:
        """Neither a secret of the settings nor the code verifier (RFC 7636 §7.1)."""
        login = stage.login()
        await login.begin()
        for secret in (*secrets_of(stage), login.verifier):
            must(secret not in f"{login.url} {login.form}", "a secret goes through the browser")

    async def test_memory_is_small_and_holds_nothing_secret(self, stage: Stage) -> None:
        """The broker keeps the one-time values; a connector has no need to keep them again."""
        login = stage.login()
        await login.begin()
        kept = "".join(f"{name}{value}" for name, value in login.memory.items())
        must(len(kept) <= MEMORY, f"{len(kept)} characters are kept for each login")
        for secret in (*secrets_of(stage), login.verifier):
            must(secret not in kept, "a secret is kept for the way back")

    # ── The way back ──────────────────────────────────────────────────────────────────────────

    async def test_a_login_ends_with_a_person_who_stays_the_same(self, stage: Stage) -> None:
        """The same issuer and subject at each login: a person's account hangs on them."""
        first = await self.sign_in(stage, stage.login())
        second = await self.sign_in(stage, stage.login())
        must(first.issuer and first.subject, "no issuer, or no subject")
        must((first.issuer, first.subject) == (second.issuer, second.subject), "the subject changes")

    async def test_it_says_whether_its_logins_come_with_a_token(self, stage: Stage) -> None:
        """An operator's ``give_token`` is held against ``gives_token``; and a token is never printed."""
        identity = await self.sign_in(stage, stage.login())
        said = bool(getattr(stage.config.module.Connector, "gives_token", False))
        must(said or identity.token is None, "a token came, and gives_token does not say that one may")
        if identity.token is not None:
            must(identity.token.access_token not in repr(identity), "the access token is printed")

    @pytest.mark.row("CB-47")
    async def test_a_login_that_is_given_up_costs_nobody_else(self, stage: Stage) -> None:
        """Cancelled at its first step or in the middle, it is over, and the next one is as good as ever."""
        for steps in (1, 3, 10):
            left = asyncio.ensure_future(self.sign_in(stage, stage.login()))
            for _ in range(steps):
                await asyncio.sleep(0)
            left.cancel()
            await asyncio.wait({left})
        await self.sign_in(stage, stage.login())

    @pytest.mark.row("CB-14")
    async def test_an_answer_that_no_upstream_gives_is_refused(self, stage: Stage) -> None:
        """Whatever a browser brings, it costs one login."""
        for answer in GARBAGE:
            login = stage.login()
            await login.begin()
            await refusal(login.finish(answer), f"the answer {str(answer)[:80]}")

    @pytest.mark.row("CB-38")
    async def test_the_answer_to_another_login_is_not_taken(self, stage: Stage) -> None:
        """Memory that was never made, as after a callback that nobody began."""
        login = stage.login()
        await refusal(login.finish({"state": login.state}), "a login that never began")

    async def test_nothing_secret_is_logged(self, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
        """At no level, in a login that succeeds and in one that fails."""
        with caplog.at_level(logging.DEBUG):
            login = stage.login()
            await self.sign_in(stage, login)
            failed = stage.login()
            await failed.begin()
            await refusal(failed.finish({"code": "canary-code", "state": failed.state}), "a made-up code")
        # What the server of a fake logs is the upstream's.
        lines = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
        known = (*secrets_of(stage), login.verifier, login.state, login.nonce, "canary-code")
        for secret in (*known, *given_by(stage)):
            must(not any(secret in line for line in lines), "a secret stands in the log")

    # ── Whether it is well ────────────────────────────────────────────────────────────────────

    async def test_it_answers_the_operator_that_all_is_well(self, stage: Stage) -> None:
        """``ping``, and ``probe`` where there is one, at an upstream that is."""
        await stage.upstream.ping()
        for finding in await stage.upstream.probe():
            must(finding.good is not False, f"{finding.what} is not good: {finding.detail}")

    # ── For the tests ─────────────────────────────────────────────────────────────────────────

    def asked(self, stage: Stage) -> list[str]:
        """The endpoints that were asked, in order; none where the upstream is no fake provider."""
        return [seen.endpoint for seen in stage.idp.requests] if isinstance(stage.idp, FakeProvider) else []

    def mapped(self, stage: Stage, identity: UpstreamIdentity) -> Mapped:
        """What the connector's map makes of a person."""
        try:
            return mapped_by(stage.upstream.claims_map, told_by(stage.upstream, identity))
        except OAuthError as error:
            raise AssertionError(f"the map refuses the person: {error.detail}") from error


def secrets_of(stage: Stage) -> tuple[str, ...]:
    """The secrets of the connector's settings."""
    said = vars(stage.config.settings).values()
    return tuple(value.reveal() for value in said if isinstance(value, Secret))


def given_by(stage: Stage) -> tuple[str, ...]:
    """The tokens that a fake provider has given, of every kind."""
    members = ("access_token", "refresh_token", "id_token")
    answers = stage.idp.told if isinstance(stage.idp, FakeProvider) else []
    return tuple(str(told[name]) for told in answers for name in members if told.get(name))


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """The value with what the provider knows put into its texts."""
    if isinstance(value, Mapping):
        return {key: _filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, known) for inner in value]
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace(f"{{{name}}}", text)
    return value
