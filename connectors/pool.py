"""An identity pool: people with a username and a password that the broker keeps.

Owns how a login there goes: the password, and a one-time code where a second factor is set up or asked for.
The page, the attempts and the people are the broker's. OpenID Connect Core §2 (``acr``, ``amr``); RFC 8176.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import StringConstraints

from broker.connector import (
    ConnectorSettings,
    Finding,
    Login,
    Person,
    Question,
    Secret,
    Tools,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamUnavailable,
)
from connectors import claims_map, login_page

CLAIMS = claims_map("pool")

Acr = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")]


class Settings(ConnectorSettings):
    """An identity pool."""

    second_factor: Literal["if_set_up", "on_request", "required"] = "if_set_up"
    """When a one-time code is asked for: `if_set_up` of everybody who has one, `on_request` only where the
    client app prefers `second_factor_acr`, `required` of everybody; who has none cannot sign in then."""
    username_case: Literal["any", "exact"] = "any"
    """Whether `Ada` may sign in as `ada`. In any case no two usernames of a pool differ in that only."""
    password_acr: Acr = "1"
    """The `acr` of a login by password alone."""
    second_factor_acr: Acr = "2"
    """The `acr` of a login with a one-time code too."""


class Connector(login_page.OnOurPage):
    """The people of one pool."""

    keeps_people = True
    speaks_http = False

    def __init__(self, settings: Settings, tools: Tools) -> None:
        super().__init__(tools)
        self._settings = settings
        # Not our own issuer: a broker that moves to another host keeps its people.
        self._issuer = f"pool:{tools.here.connector}"

    async def ping(self) -> None:
        """Whether the people can be asked for: there is none of this id."""
        await self._tools.people.person("-")

    async def probe(self) -> Sequence[Finding]:
        """Nothing is elsewhere: the people are in the broker's store."""
        try:
            await self.ping()
        except UpstreamUnavailable:  # the command line looks without a store
            return [
                Finding(what="people", good=None, detail="they are in the broker's store; see broker users")
            ]
        return [Finding(what="people", good=True)]

    # ── The login page ────────────────────────────────────────────────────────────────────────

    def question(self, login: Login, memory: Mapping[str, str]) -> Question:  # noqa: ARG002
        """The code, once the password was right."""
        return Question(kind="one_time_code" if "person" in memory else "password", memory=memory)

    async def answer(
        self, login: Login, fields: Mapping[str, Secret], memory: Mapping[str, str]
    ) -> Question | UpstreamIdentity:
        """From a password to a person, or to the question for the code; from a code to a person."""
        if "person" in memory:
            return await self._by_code(fields, memory)
        username = fields["username"].reveal()
        person = await self._tools.people.check_password(username, fields["password"])
        if person is None or not self._is_written_so(username, person):
            return Question(kind="password", wrong=True)
        if person.totp and self._wants_code(login):
            return Question(kind="one_time_code", memory={"person": person.id})
        if self._settings.second_factor == "required":
            raise UpstreamRefused("access_denied", "no second factor is set up for this person")
        return self._identity(person, ("pwd",), self._settings.password_acr)

    async def _by_code(
        self, fields: Mapping[str, Secret], memory: Mapping[str, str]
    ) -> Question | UpstreamIdentity:
        person = await self._tools.people.check_totp(memory["person"], fields["code"].reveal())
        if person is None:
            return Question(kind="one_time_code", memory=memory, wrong=True)
        # RFC 8176 §2: "mfa" says that there was more than one factor, beside which they were.
        return self._identity(person, ("pwd", "otp", "mfa"), self._settings.second_factor_acr)

    def _wants_code(self, login: Login) -> bool:
        """`acr_values` are wishes, the best first (Core §3.1.2.1); that one was a must is checked later."""
        if self._settings.second_factor != "on_request":
            return True
        known = (self._settings.password_acr, self._settings.second_factor_acr)
        wished = [acr for acr in login.acr_values if acr in known]
        return wished[:1] == [self._settings.second_factor_acr]

    def _is_written_so(self, username: str, person: Person) -> bool:
        if self._settings.username_case == "any":
            return True
        return username.strip(" ") == person.username

    def _identity(self, person: Person, amr: tuple[str, ...], acr: str) -> UpstreamIdentity:
        return UpstreamIdentity(
            issuer=self._issuer,
            subject=person.id,
            api=person.claims,
            auth_time=int(self._tools.now()),
            acr=acr,
            amr=amr,
            keep={"person": person.id},
        )

    # ── Asked again ───────────────────────────────────────────────────────────────────────────

    async def refresh(self, keep: Mapping[str, str]) -> UpstreamIdentity:
        """Who they are now, unless they were removed or disabled."""
        if "person" not in keep:
            raise UpstreamInvalid("nothing_kept")
        person = await self._tools.people.person(keep["person"])
        if person is None:
            raise UpstreamRefused("access_denied", "removed or disabled")
        return UpstreamIdentity(issuer=self._issuer, subject=person.id, api=person.claims, keep=keep)
