"""A connector that lives outside the house, with a setting of each kind."""

from broker.connector import Connector as Contract
from broker.connector import ConnectorSettings, Departure, Login, Secret, Tools, UpstreamIdentity

CLAIMS = "claims: { name: { from: [name] } }"


class Door(ConnectorSettings):
    """A part of the settings."""

    key: Secret
    """Opens it."""


class Settings(ConnectorSettings):
    """Where it is, and who we are there."""

    issuer: str = "https://idp.example"
    """Its own name."""
    client_id: str
    """Who we are."""
    client_secret: Secret | None = None
    """What we know."""
    doors: tuple[Door, ...] = ()
    """What else we know."""
    get_user_info: bool = False
    """Whether to ask more."""


class Connector(Contract):
    """Goes nowhere."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self.settings = settings

    async def begin(self, login: Login) -> Departure:
        return Departure(url=self.settings.issuer)

    async def finish(self, login, answer, memory) -> UpstreamIdentity:
        return UpstreamIdentity(issuer=self.settings.issuer, subject="1")

    async def ping(self) -> None:
        return None
