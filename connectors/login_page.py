"""What the connectors without a page of their own share: people answer on the login page of ours."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from broker.connector import Departure, Login, Tools, UpstreamIdentity, UpstreamInvalid


class OnOurPage:
    """The way out and back of a connector that `broker.connector.Asks`; the rest is its own."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def begin(self, login: Login) -> Departure:
        """To the login page of ours, which finds the login by its ``state`` and the browser's cookie."""
        return Departure(url=f"{self._tools.here.login_uri}?{urlencode({'state': login.state})}")

    async def finish(
        self,
        login: Login,  # noqa: ARG002 - nobody comes from elsewhere
        answer: Mapping[str, str],  # noqa: ARG002
        memory: Mapping[str, str],  # noqa: ARG002
    ) -> UpstreamIdentity:
        """Nobody answers at the callback."""
        raise UpstreamInvalid("answered_elsewhere", "people answer on our own login page")
