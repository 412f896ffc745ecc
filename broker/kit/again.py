"""An upstream that is asked again about somebody who is not there, at a refresh of our tokens.

Owns `AskedAgainTests`, a part of `OAuth2Kit`. OpenID Connect Core §12; RFC 6749 §5.2 and §6: who is gone is
told from what nobody knows, since the first ends everything and the second nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from broker.connector import UpstreamIdentity
from broker.kit.contract import ConnectorKit
from broker.kit.provider import FakeProvider
from broker.kit.saying import must, refusal
from broker.kit.stage import Stage


class AskedAgainTests(ConnectorKit):
    """What ``CanRefresh`` promises, of a connector that says how it is configured for it."""

    asked_again: ClassVar[Mapping[str, Any] | None] = None
    """The keys of the entry with which it can be asked again; None where it cannot."""

    def revoke(self, idp: FakeProvider) -> None:
        """Let the provider take back what it gave."""
        idp.refresh_tokens.clear()

    async def signed_in(self, stage: Stage) -> UpstreamIdentity:
        """Somebody about whom the upstream can be asked again."""
        identity = await self.sign_in(stage, stage.login())
        must(identity.keep, "nothing was kept by which the upstream could be asked again")
        return identity

    @pytest.mark.row("UI-19")
    async def test_asked_again_it_is_the_same_person(self) -> None:
        """As often as it takes, with what the last answer kept."""
        if self.asked_again is None:
            return
        async with self.on_stage(self.asked_again) as stage:
            first = await self.signed_in(stage)
            again = await stage.upstream.refresh(first.keep)
            third = await stage.upstream.refresh(again.keep)
            for one in (again, third):
                must((one.issuer, one.subject) == (first.issuer, first.subject), "it is somebody else")
            for seen in stage.idp.requests:
                kept = first.keep.values()
                must(not any(secret in seen.path for secret in kept), f"a token in a URL of {seen.endpoint}")

    @pytest.mark.row("UI-19")
    async def test_who_is_gone_upstream_is_told_as_gone(self) -> None:
        """``access_denied``, so that the broker ends what stands on that login."""
        if self.asked_again is None:
            return
        async with self.on_stage(self.asked_again) as stage:
            first = await self.signed_in(stage)
            self.revoke(stage.idp)
            told = await refusal(stage.upstream.refresh(first.keep), "a grant that was taken back")
            must(told.error == "access_denied", f"a grant that was taken back: {told}")

    async def test_an_upstream_that_is_away_has_not_said_no(self) -> None:
        """``temporarily_unavailable``: nothing ends because of it."""
        if self.asked_again is None:
            return
        for wrong in ({"down": True}, {"token": "503", "user": "503", "userinfo": "503"}):
            async with self.on_stage(self.asked_again) as stage:
                first = await self.signed_in(stage)
                stage.idp.switch(**wrong)
                told = await refusal(stage.upstream.refresh(first.keep), f"an upstream with {wrong}")
                must(told.error == "temporarily_unavailable", f"an upstream with {wrong}: {told}")
