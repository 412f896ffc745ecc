"""Microsoft Entra ID: one tenant, several, or all, each an issuer of its own behind shared endpoints.

The issuer of a token is bound to its `tid`, and the tenant to what the operator allows; a person is their
tenant and object id, since `sub` changes with the app registration and an address with an administrator's
pen. Groups that are too many for an ID Token come from Microsoft Graph (`connectors.entra_graph`). Step-up
asks for an authentication context in the `claims` parameter (OpenID Connect Core §5.5), as Conditional Access
wants it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from broker.connector import (
    Expected,
    IssuerRule,
    Json,
    Login,
    SignedClaims,
    Tools,
    UpstreamDetour,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
)
from connectors import claims_map, oauth2, oidc
from connectors.entra_graph import Graph
from connectors.entra_settings import CONSUMERS, GUID, Settings, thumbprint
from connectors.freshness import is_too_old
from connectors.oidc_metadata import Metadata, read_metadata
from connectors.strictly import word

__all__ = ["CLAIMS", "Connector", "Settings"]

CLAIMS = claims_map("entra")

_CONTEXT = re.compile(r"c[1-9][0-9]?")
"""An authentication context of Conditional Access: c1 to c99."""
_HOME = re.compile(
    r"https://(?:sts\.windows\.net|sts\.chinacloudapi\.cn|login\.microsoftonline\.(?:com|us)"
    rf"|login\.partner\.microsoftonline\.cn)/({GUID.pattern})/(v2\.0)?",
    re.IGNORECASE,
)
"""What `idp` says of a home that is a tenant: its issuer, in the form of v1.0 or of v2.0. A partner whose own
provider is federated chooses its issuer, so only Microsoft's hosts count."""
_CODE = re.compile(r"AADSTS[0-9]{4,8}")
_PROMPTS = {
    "login_required": "login",
    "interaction_required": "login",
    "consent_required": "consent",
    "account_selection_required": "select_account",
}
"""What Entra says although it was free to ask the person, and how to make it ask."""
_OF_V1 = frozenset({"id_token_iss_mismatch", "token_key_issuer_mismatch"})
_V1 = "if it is a v1.0 token, set requestedAccessTokenVersion to 2 in the app's manifest"
_CHALLENGE = "claims "
_LONGEST_CHALLENGE = 1500
_NOT_ENTRAS = frozenset({"email_verified", "phone_number_verified"})
"""Claims that only an administrator can have put into a token."""
_PROVED = (True, "true", "1")
"""What `xms_edov` says of a proved address; it has been seen as a boolean, a number and a text."""


class Connector(oidc.Connector):
    """Microsoft Entra ID."""

    prompts = frozenset({"none", "login", "consent", "select_account"})

    def __init__(self, settings: Settings, tools: Tools) -> None:
        document = f"{settings.base_url}/{settings.tenant}/v2.0/.well-known/openid-configuration"
        more = {
            "discovery_url": document,
            "discovery_issuer": settings.discovery_issuer,
            # Entra takes assertions for the endpoint that they are sent to.
            "client_assertion_audience": "token_endpoint",
        }
        super().__init__(settings.on(settings.issuer, **more), tools)
        # Which tenants is for `check` to say: whoever is of none that is allowed hears that, and no riddle.
        self._issuer = IssuerRule(template=settings.template)
        self._own = settings
        self._learnt: str | None = None
        self._x5t = None if settings.certificate is None else thumbprint(settings.certificate)

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """A person; or once more, where Entra wants to ask them something first."""
        try:
            identity = await super().finish(login, answer, memory)
        except UpstreamRefused as error:
            if login.detour or error.error not in _PROMPTS:
                raise
            raise UpstreamDetour(error.error, error.detail) from error
        except oauth2.TokenRefused as error:
            if login.detour or error.error not in _PROMPTS:
                raise _no(error) from error
            raise UpstreamDetour(_challenge(error) or error.error, error.detail) from error
        if not login.detour and is_too_old(identity, login, self._tools.now()):
            # Whether Entra minds max_age is not documented; it does mind a prompt.
            raise UpstreamDetour("login_required", "the session is older than max_age")
        reached = _texts(identity.id_token.get("acrs"))
        acr = next((context for context in login.acr_values if context in reached), identity.acr)
        return replace(identity, acr=acr)

    async def refresh(self, keep: MutableMapping[str, str]) -> UpstreamIdentity:
        """Asks again; where Entra wants the person for that, what stands on this login ends."""
        try:
            return await super().refresh(keep)
        except oauth2.TokenRefused as error:
            asks = error.error in _PROMPTS
            raise UpstreamRefused("access_denied", _no(error).detail) if asks else _no(error) from error

    # ── The way out ───────────────────────────────────────────────────────────────────────────

    def parameters(self, login: Login) -> Mapping[str, str]:
        """Where people are sent on to, and which authentication context they must reach."""
        said = {"domain_hint": self._own.domain_hint or "", "claims": _claims_parameter(login)}
        return {name: value for name, value in said.items() if value}

    def _passed_on(self, login: Login, metadata: Metadata) -> dict[str, str]:
        """In Entra's manner: one prompt, no hint beside the choice of an account, no `acr_values`."""
        passed = super()._passed_on(login, metadata)
        passed.pop("acr_values", None)
        asked = _strongest(passed.pop("prompt", ""))
        # A demand on the callback is nobody's signed word: it never takes the place of a fresh login.
        prompt = asked if asked == "login" else _PROMPTS.get(login.detour, "") or asked
        if prompt == "select_account":
            passed.pop("login_hint", None)
        return passed | ({"prompt": prompt} if prompt else {})

    def client(self, metadata: Metadata) -> oauth2.Client:
        """With a private key: the certificate that it belongs to, by its thumbprint."""
        return replace(super().client(metadata), x5t=self._x5t)

    def logout_by(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, str]:  # noqa: ARG002
        """Which account, by the optional claim for that; without it Entra asks where there are several."""
        account = word(claims.get("login_hint"))
        return {"logout_hint": account} if account is not None else {}

    # ── Metadata ──────────────────────────────────────────────────────────────────────────────

    @property
    def callback_issuer(self) -> str | None:
        """Only a single tenant has one that is known before the token."""
        return self._own.issuer if GUID.fullmatch(self._own.tenant) else None

    def read(self, document: Mapping[str, Json], known: Metadata | None) -> Metadata:
        """The metadata; where the operator named a domain, it says which tenant that is."""
        if self._own.discovery_issuer is not None:
            return super().read(document, known)
        issuer = document.get("issuer")
        shape = re.escape(self._own.template).replace(r"\{tid\}", GUID.pattern)
        if not isinstance(issuer, str) or re.fullmatch(shape, issuer) is None:
            raise UpstreamInvalid("metadata_issuer_mismatch", f"it says {oauth2.printable(str(issuer))}")
        if self._learnt not in {None, issuer}:
            raise UpstreamInvalid("metadata_issuer_changed", f"{self._own.tenant} is another tenant now")
        settings = self._settings.model_copy(update={"discovery_issuer": issuer})
        metadata = read_metadata(document, settings, known)
        self._learnt = issuer
        return metadata

    # ── The ID Token ──────────────────────────────────────────────────────────────────────────

    async def _verified(self, tokens: oauth2.Tokens, expected: Expected, metadata: Metadata) -> SignedClaims:
        """As everywhere; a v1.0 token has the issuer of v1.0, which the operator must be told how to mend."""
        try:
            return await super()._verified(tokens, expected, metadata)
        except UpstreamInvalid as error:
            if error.reason in _OF_V1:
                raise UpstreamInvalid(error.reason, f"{error.detail}; {_V1}") from error
            raise

    def check(self, claims: SignedClaims) -> None:
        """That it is of a tenant, and of a person, that may come."""
        if claims.get("ver") != "2.0":
            raise UpstreamInvalid("id_token_version", _V1)
        tid = claims.get("tid")
        if not isinstance(tid, str) or GUID.fullmatch(tid) is None:
            raise UpstreamInvalid("tid_missing")
        single = self._own.issuer if self._own.discovery_issuer == self._own.issuer else self._learnt
        if single is not None and claims["iss"] != single:
            raise UpstreamRefused("access_denied", f"the tenant {tid} is not the one of this connector")
        if not self._own.admits(tid.lower()):
            raise UpstreamRefused("access_denied", f"the tenant {tid} is not allowed")
        if self._is_guest(claims) and not self._guest_may_come(claims):
            raise UpstreamRefused("access_denied", f"a guest of the tenant {tid}, and guests are not allowed")

    def _is_guest(self, claims: SignedClaims) -> bool:
        """Who is at home elsewhere: `idp` is there and is not the tenant itself; `acct` says it with a 1."""
        tid, idp = str(claims["tid"]), claims.get("idp")
        if tid.lower() == CONSUMERS:
            return False
        home = _HOME.fullmatch(idp) if isinstance(idp, str) else None
        elsewhere = idp is not None and (home is None or home[1].lower() != tid.lower())
        return elsewhere or claims.get("acct") in (1, "1")

    def _guest_may_come(self, claims: SignedClaims) -> bool:
        home = _HOME.fullmatch(str(claims.get("idp")))
        at_home = home is not None and home[1].lower() in self._own.allowed_tenants
        return at_home or self._own.allow_guests

    def subject(self, claims: SignedClaims) -> str:
        """Tenant and object id, both GUIDs, so that the line between them cannot be moved."""
        oid = claims.get("oid")
        if not isinstance(oid, str) or GUID.fullmatch(oid) is None:
            raise UpstreamInvalid(
                "oid_missing", "no object id in the ID Token; the app must be granted the scope profile"
            )
        return f"{claims['tid']}|{oid}".lower()

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """Without words that Entra does not have: some administrator's claims mapping says them."""
        return replace(
            identity, id_token=_own_words(identity.id_token), userinfo=_own_words(identity.userinfo)
        )

    # ── What the map finds in `api` ───────────────────────────────────────────────────────────

    async def further(
        self,
        tokens: oauth2.Tokens,
        claims: SignedClaims,
        metadata: Metadata,  # noqa: ARG002
    ) -> Mapping[str, Json]:
        """Whether the address is proved, and the groups."""
        return {**self._address(claims), **await self._groups(tokens, claims)}

    def _address(self, claims: SignedClaims) -> Mapping[str, Json]:
        """The address of the ID Token, and whether its owner is proved: any administrator can write one."""
        email = claims.get("email")
        if not isinstance(email, str):
            return {}
        said = claims.get("xms_edov")
        proved = said in _PROVED and not isinstance(said, float)
        trusted = self._own.trust_email and not self._is_guest(claims)
        return {"email": email, "email_verified": proved or trusted}

    async def _groups(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, Json]:
        """What Graph says of groups, where it is asked."""
        own, found = self._own, {}
        asked = own.get_groups == "always" or (own.get_groups == "overage" and _too_many(claims))
        ids = _texts(claims.get("groups"))
        if asked:
            ids = await self._graph(tokens).groups(security_only=own.security_groups_only)
            found["groups"] = ids
        if own.group_names and ids:
            found["group_names"] = await self._graph(tokens).names(ids)
        return found

    def _graph(self, tokens: oauth2.Tokens) -> Graph:
        if tokens.access_token is None:
            raise UpstreamInvalid("access_token_missing", "Microsoft Graph cannot be asked without one")
        http, url = self._tools.http, self._own.graph_url
        return Graph(http, url, tokens.access_token, most=self._own.max_groups)


def _own_words(said: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in said.items() if name not in _NOT_ENTRAS}


def _too_many(claims: Mapping[str, Any]) -> bool:
    """Whether the groups are left out because they are too many for the token."""
    elsewhere, told = claims.get("_claim_names", {}), claims.get("hasgroups", False)
    # What is written in another way than documented is not taken for "no".
    return not isinstance(elsewhere, dict) or "groups" in elsewhere or told not in (False, "false")


def _texts(value: Json) -> list[str]:
    listed = [value] if isinstance(value, str) else value
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _strongest(prompt: str) -> str:
    """Entra takes one; signing in anew is more than choosing an account."""
    asked = prompt.split()
    return "login" if "login" in asked else next(iter(asked), "")


def _claims_parameter(login: Login) -> str:
    """What is claimed of this login: the context asked for, and what Entra itself wanted claimed."""
    asked: dict[str, Json] = {}
    context = next((value for value in login.acr_values if _CONTEXT.fullmatch(value)), None)
    if context is not None:
        asked["id_token"] = {"acrs": {"essential": True, "value": context}}
    if login.detour.startswith(_CHALLENGE):
        asked |= json.loads(login.detour.removeprefix(_CHALLENGE))
    return json.dumps(asked, separators=(",", ":")) if asked else ""


def _challenge(refused: oauth2.TokenRefused) -> str | None:
    """The claims challenge, if it is a JSON object of a sane size: it goes into a URL."""
    challenge = refused.members.get("claims")
    if not isinstance(challenge, str) or len(challenge) > _LONGEST_CHALLENGE:
        return None
    try:
        wanted = json.loads(challenge)
    except ValueError:
        return None
    return _CHALLENGE + json.dumps(wanted, separators=(",", ":")) if isinstance(wanted, dict) else None


def _no(refused: oauth2.TokenRefused) -> UpstreamError:
    """What the token endpoint said, by its OAuth error; Microsoft's number is for our log alone."""
    numbers = refused.members.get("error_codes")
    number = numbers[0] if isinstance(numbers, list) and numbers and isinstance(numbers[0], int) else None
    detail = refused.detail
    if number is not None and _CODE.search(detail) is None:
        detail = f"AADSTS{number}: {detail}"
    if refused.error in _PROMPTS:
        return UpstreamRefused(refused.error, detail)
    return UpstreamInvalid(refused.reason, detail)
