"""Sign in with Apple: the client secret is a JWT that is signed for each use, and a name is told only once.

Apple answers by form, as it must where a name or an address is asked for. At the very first login of a
person the form has their name, unsigned: a hint that goes to the map's ``api`` document and nowhere else.
Booleans may be text. There is no userinfo, no logout, and none of the parameters that ask for a fresh login.
Apple's "Sign in with Apple REST API"; RFC 7519; OAuth 2.0 Form Post Response Mode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from broker.connector import (
    Answer,
    ConnectorSettings,
    Json,
    Login,
    Secret,
    Tools,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
)
from connectors import claims_map, oauth2, oidc
from connectors.oidc_metadata import Metadata
from connectors.oidc_settings import Text
from connectors.strictly import booleans

CLAIMS = claims_map("apple")

ISSUER = "https://appleid.apple.com"
_TEXT_BOOLEANS = ("email_verified", "is_private_email")
_MAX_USER, _MAX_NAME = 4096, 200
"""Characters of the form's ``user``, and of each part of a name."""
_PARTS = {"given_name": "firstName", "family_name": "lastName"}


def _scopes(scope: str) -> str:
    asked = scope.split()
    if "openid" not in asked or not set(asked) <= {"openid", "name", "email"}:
        raise ValueError("must contain openid; beside it Apple knows name and email")
    return " ".join(asked)


class Settings(ConnectorSettings):
    """A Services ID of a team at Apple."""

    client_id: Text
    """The Services ID, such as `com.acme.login`."""
    team_id: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{10}$")]
    """The ten characters of your team. People have another `sub` for each team."""
    key_id: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{10}$")]
    """The ten characters of the key."""
    private_key: Secret
    """The key itself: the `.p8` file that Apple gave for download, once."""
    scope: Annotated[Text, AfterValidator(_scopes)] = "openid name email"
    """What is asked of Apple."""

    @property
    def issuer(self) -> str:
        """The one issuer of Apple."""
        return ISSUER

    @property
    def cannot_log_out(self) -> str | None:
        """Apple ends no session for anybody else."""
        return "there is no logout at Apple"


class Connector(oidc.Connector):
    """Sign in with Apple."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        generic = oidc.Settings(
            issuer=ISSUER,
            client_id=settings.client_id,
            private_key=settings.private_key,
            scope=settings.scope,
            response_mode="form_post",
            id_token_signing_algs=("RS256",),
        )
        super().__init__(generic, tools)
        self._own = settings

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """The person, with the name that came beside the code; kept, since it never comes again."""
        return _named(await super().finish(login, answer, memory), _name(answer.get("user", "")))

    async def refresh(self, keep: MutableMapping[str, str]) -> UpstreamIdentity:
        """Asks again, and says the name that was told at the login."""
        try:
            name = json.loads(keep.get("name", "{}"))
        except ValueError as error:
            raise UpstreamInvalid("kept_unreadable", type(error).__name__) from error
        return _named(await super().refresh(keep), name)

    def client(self, metadata: Metadata) -> oauth2.Client:  # noqa: ARG002
        """Who we are: a secret that our team signs for a minute, sent by form as Apple wants it."""
        own = self._own
        secret = self._tools.client_assertion(
            client_id=own.client_id, audience=ISSUER, issuer=own.team_id, kid=own.key_id
        )
        return oauth2.Client(client_id=own.client_id, method="client_secret_post", secret=Secret(secret))

    def refused(self, refused: UpstreamRefused) -> UpstreamError:
        """Who leaves Apple's page by its button has said no."""
        if refused.error == "user_cancelled_authorize":
            return UpstreamRefused("access_denied", "left Apple's page")
        return refused

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """With booleans as booleans."""
        return replace(identity, id_token=booleans(identity.id_token, _TEXT_BOOLEANS))

    def _passed_on(self, login: Login, metadata: Metadata) -> dict[str, str]:  # noqa: ARG002
        """Nothing: Apple knows neither ``prompt`` nor ``max_age``, nor a hint of who it is."""
        return {}


def _named(identity: UpstreamIdentity, name: Mapping[str, str]) -> UpstreamIdentity:
    if not name:
        return identity
    keep = {**identity.keep, "name": json.dumps(name)} if identity.keep else {}
    return replace(identity, api={**identity.api, **name}, keep=keep)


def _name(user: str) -> Mapping[str, str]:
    """The name in what Apple's form says of the user; what is no name is left out, and so is all else.

    The browser could have written it itself: the address in it above all is never read.
    """
    if not user or len(user) > _MAX_USER:
        return {}
    try:
        said = Answer(200, "application/json", user.encode("utf-8", "replace")).json()
    except UpstreamInvalid:
        return {}  # a login is not lost for a hint
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, dict):
        return {}
    parts = {claim: part for claim, theirs in _PARTS.items() if (part := _part(name.get(theirs)))}
    return {"name": " ".join(parts.values()), **parts} if parts else {}


def _part(value: Json) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= _MAX_NAME and text.isprintable() else ""
