"""Who it is: the same person as the last time, nobody else, and with no more proved than is.

Owns `PeopleTests`, a part of `OAuth2Kit`. OpenID Connect Core §5.1 (``email_verified``) and §5.7: a name
and an address are somebody's today and another's tomorrow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from broker.connector import UpstreamIdentity
from broker.kit.again import AskedAgainTests
from broker.kit.provider import FakeProvider
from broker.kit.saying import must
from broker.kit.stage import Login, Stage
from broker.protocol.errors import OAuthError

RENAMED = ("login", "username", "preferred_username", "nickname", "upn", "unique_name", "cognito:username")
"""What else a vendor may call somebody by, and let them change."""


class PeopleTests(AskedAgainTests):
    """Several people at one upstream."""

    @pytest.mark.row("UI-07")
    async def test_a_new_name_is_the_same_person(self, stage: Stage) -> None:
        """A name and an address are somebody's today and another's tomorrow."""
        before = await self.sign_in(stage, stage.login())
        self.rename(stage.idp)
        after = await self.sign_in(stage, stage.login())
        must(before.subject == after.subject, "a new name makes a new person")
        must("new@example.com" not in after.subject, "the subject is an address")

    @pytest.mark.row("UI-14")
    async def test_another_person_is_another_subject(self, stage: Stage) -> None:
        """One after the other, and the first once more."""
        first, people = stage.idp.current, []
        for person in (first, self.another(stage.idp), first):
            login, answer = await self.arrived(stage, person)
            people.append((await login.finish(answer)).subject)
        must(people[0] == people[2], "the first person came back as somebody else")
        must(people[0] != people[1], "the second person is taken for the first")

    @pytest.mark.row("UI-01")
    @pytest.mark.row("UI-02")
    async def test_an_address_that_is_not_proved_is_not_passed_on_as_proved(self, stage: Stage) -> None:
        """Only ``true`` counts, and what the vendor documents to mean it."""
        unproved: tuple[Any, ...] = (None, "false", "no", "yes", 0, [], {}, False)
        for said in unproved:
            self.say_address_verified(stage.idp, said)
            try:
                identity = await self.sign_in(stage, stage.login())
            except OAuthError:
                continue  # the whole login is refused, which passes nothing on
            claims = self.mapped(stage, identity).claims
            must(claims.get("email_verified") is not True, f"email_verified {said!r} counts as true")

    @pytest.mark.row("CB-46")
    @pytest.mark.row("CB-47")
    @pytest.mark.row("UP-14")
    async def test_everybody_gets_their_own_person_whoever_leaves_in_the_middle(self, stage: Stage) -> None:
        """Logins at the same time, some of them cancelled: nobody hears what is another's."""
        people = (stage.idp.current, self.another(stage.idp))
        logins = [await self.arrived(stage, person) for person in people * 6]
        tasks = [asyncio.ensure_future(login.finish(answer)) for login, answer in logins]
        await asyncio.sleep(0)
        for left in tasks[::5]:
            left.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        subjects: dict[str, set[str]] = {person: set() for person in people}
        for person, end in zip(people * 6, ended, strict=True):
            if isinstance(end, UpstreamIdentity):
                subjects[person].add(end.subject)
            elif not isinstance(end, asyncio.CancelledError):
                raise end
        must(all(len(found) == 1 for found in subjects.values()), f"the people are mixed: {subjects}")
        must(len(set.union(*subjects.values())) == len(people), "two people are one subject")

    # ── For the tests ─────────────────────────────────────────────────────────────────────────

    def rename(self, idp: FakeProvider) -> None:
        """Let the provider call the person otherwise in every place where it names them."""
        known = idp.people[idp.current]
        renamed = {name: "a-new-name" for name in RENAMED if name in known}
        idp.people[idp.current] = {**known, **renamed, "name": "A New Name", "email": "new@example.com"}

    def say_address_verified(self, idp: FakeProvider, said: Any) -> None:
        """Let the provider say this of the person's address, in every place where it speaks of it."""
        idp.switch(claims={"email_verified": said}, userinfo={"email_verified": said})

    async def arrived(self, stage: Stage, person: str) -> tuple[Login, Mapping[str, str]]:
        """A login of this person, back from the upstream."""
        stage.idp.current = person
        login = stage.login()
        return login, await login.at_the_upstream()

    def another(self, idp: FakeProvider) -> str:
        """A second person at the provider, made at the first call; who signs in stays the same."""
        if self.other not in idp.people:
            first = idp.current
            idp.person(self.other, **{**idp.people[first], **self.other_person})
            idp.current = first
        return self.other
