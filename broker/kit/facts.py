"""What an upstream says of a login: when and how somebody signed in, and for whom its token was made.

Owns `FactTests`, a part of `OpenIDKit`. OpenID Connect Core §2 and §3.1.3.7; RFC 9470 §5. Client apps ask for
a fresh or a strong login, so what is not known is not made up, and what is not signed is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from broker.kit.saying import must
from broker.kit.signatures import SignatureTests
from broker.kit.stage import Stage
from broker.protocol.errors import OAuthError

CLAIMED: Mapping[str, Any] = {"acr": "gold", "amr": ["otp"], "auth_time": 1_700_000_000}
"""What userinfo may say of the login, and nobody believes."""

ASKED: Mapping[str, Any] = {"acr": {"gold": "gold"}}
"""The keys of the entry with which what a client app asks for reaches the upstream."""


class FactTests(SignatureTests):
    """The facts of an identity, and where they are from."""

    userinfo: ClassVar[Mapping[str, Any] | None] = {"get_user_info": True}
    """The keys of the entry with which userinfo is pulled at each login; None for an upstream without it."""

    @pytest.mark.row("CB-30")
    @pytest.mark.row("AZ-25")
    async def test_what_the_id_token_does_not_say_of_the_login_is_not_known(self, stage: Stage) -> None:
        """The moment of its answer does not stand in for it, nor what is usual."""
        stage.idp.switch(**dict.fromkeys(CLAIMED, "missing"))
        identity = await self.sign_in(stage, stage.login())
        must(identity.auth_time is None, "a time of login was made up")
        must(identity.acr is None and not identity.amr, "a way of signing in was made up")

    @pytest.mark.row("CB-30")
    async def test_what_the_id_token_says_of_the_login_is_what_is_known(self) -> None:
        """What was asked for is not taken as done: the broker refuses a login that is weaker."""
        async with self.on_stage(ASKED) as stage:
            moment = int(stage.now()) - 60
            stage.idp.switch(auth_time=moment, acr="bronze", amr=["pwd"])
            try:
                identity = await self.sign_in(stage, stage.login(acr_values=("gold",)))
            except OAuthError as error:
                must(error.reason != "connector_failed", f"acr bronze: {error.detail}")
                return
        must(identity.auth_time in {None, moment}, f"auth_time became {identity.auth_time}")
        must(identity.acr in {None, "bronze"}, f"acr became {identity.acr}")
        must(identity.amr in {(), ("pwd",)}, f"amr became {identity.amr}")

    @pytest.mark.row("CB-30")
    async def test_userinfo_says_nothing_of_the_login(self) -> None:
        """It is not signed, and speaks of a person (Core §5.3.2)."""
        if self.userinfo is None:
            return
        async with self.on_stage(self.userinfo) as stage:
            stage.idp.switch(**dict.fromkeys(CLAIMED, "missing"), userinfo=dict(CLAIMED))
            identity = await self.sign_in(stage, stage.login())
            must(stage.idp.seen("userinfo"), "userinfo was not asked")
            known = (identity.acr, identity.amr, identity.auth_time)
            must(known == (None, (), None), "what userinfo says of the login is believed")

    @pytest.mark.row("CB-23")
    async def test_a_token_that_is_for_others_too_is_refused(self, stage: Stage) -> None:
        """Though it names us as the one that asked: each of them could bring it here (Core §3.1.3.7)."""
        us = stage.idp.client_id
        for others in (["evil"], ["another-client"], ["evil", "another-client"]):
            stage.idp.switch(aud=[us, *others], azp=us)
            await self.refused(stage, f"aud of us and {others}, azp of us")
