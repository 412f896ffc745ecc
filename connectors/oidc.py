"""Any OpenID Provider: discovery, the code flow, the ID Token, and userinfo where it is wanted.

Owns the generic connector; the vendors' are deltas on it. OpenID Connect Core §3.1, §5.3 and §12, Discovery
1.0 §4.3, RFC 8414 §3.3, RFC 9207, OAuth 2.0 Form Post Response Mode. An issuer is compared exactly
and never repaired: with a slash more or less it is somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace

from broker.connector import (
    Departure,
    Expected,
    Finding,
    Json,
    LoggedOut,
    Login,
    SignedClaims,
    Tools,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamUnavailable,
)
from connectors import claims_map, oauth2, oidc_keep, oidc_logout
from connectors.oidc_encrypted import opened
from connectors.oidc_metadata import Metadata, audience_of, prompts_taken, read_metadata
from connectors.oidc_probe import Probe
from connectors.oidc_settings import Common, Settings
from connectors.oidc_userinfo import UserinfoRefused, read_userinfo
from connectors.strictly import word, words

__all__ = ["CLAIMS", "Common", "Connector", "Settings"]

CLAIMS = claims_map("oidc")

_UNAUTHORIZED = 401
_NOTHING: Mapping[str, Json] = {}
_NOT_TOLD: Mapping[str, bool] = {}


class Connector:
    """An OpenID Provider, known by its issuer."""

    gives_token = True
    prompts: frozenset[str] | None = None
    """The ``prompt`` values that this kind of upstream takes; None where only its metadata can tell."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings, self._tools = settings, tools
        self._issuer = settings.issuer_rule
        self._metadata: Metadata | None = None

    # ── The three duties ──────────────────────────────────────────────────────────────────────

    async def begin(self, login: Login) -> Departure:
        """To the authorization endpoint (Core §3.1.2.1)."""
        metadata = await self._discover()
        pkce = self._uses_pkce(metadata)
        said = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": login.redirect_uri,
            "scope": self._settings.scope,
            "state": login.state,
            "nonce": login.nonce,
            **self._passed_on(login, metadata),
            **self.parameters(login),
        }
        if pkce:
            said |= {"code_challenge": oauth2.challenge(login.code_verifier), "code_challenge_method": "S256"}
        if self._settings.response_mode is not None:
            said["response_mode"] = self._settings.response_mode
        url = oauth2.authorization_url(metadata.authorization_endpoint, said)
        return Departure(url=url, memory={"pkce": "S256"} if pkce else {})

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """From the callback to a person: the code, the ID Token, and userinfo if it is wanted."""
        metadata = await self._discover()
        code = self._code(answer, metadata)
        tokens = self._opened(await self._redeemed(login, code, metadata, pkce="pkce" in memory))
        expected = self._expected(tokens, nonce=login.nonce, code=code)
        claims = await self._verified(tokens, expected, metadata)
        self.check(claims)
        return await self._identity(tokens, claims, metadata)

    async def refresh(self, keep: MutableMapping[str, str]) -> UpstreamIdentity:
        """Asks again: by the refresh token, or at userinfo while the access token lasts (Core §12)."""
        metadata, kept = await self._discover(), oidc_keep.read(keep)
        if kept.refresh_token is None:
            return replace(await self._asked_at_userinfo(kept, metadata), keep=keep, token=kept.token)
        tokens = await self._refreshed(kept.refresh_token, metadata)
        keep["refresh_token"] = tokens.refresh_token or kept.refresh_token
        if tokens.id_token is None:
            return await self._identity(tokens, SignedClaims(kept.claims), metadata, told=kept.told)
        tokens = self._opened(tokens)
        expected = self._expected(tokens, nonce=word(kept.claims.get("nonce")), refreshed=True)
        claims = await self._verified(tokens, expected, metadata)
        self.check(claims)
        if (claims["iss"], claims["sub"]) != (kept.claims["iss"], kept.claims["sub"]):
            raise UpstreamInvalid("id_token_somebody_else", "a refresh gave an ID Token about somebody else")
        # The nonce is of the login, and is looked for again at the next refresh.
        same = {name: kept.claims[name] for name in ("nonce", "auth_time") if name in kept.claims}
        return await self._identity(tokens, SignedClaims({**claims, **same}), metadata)

    async def logout_url(self, by: Mapping[str, str], back: str) -> str | None:
        """Its end session endpoint, where it has one (RP-Initiated Logout 1.0 §2)."""
        endpoint = oidc_logout.endpoint(await self._discover(), self._settings)
        asked = self.logout_parameters(by, back)
        return None if endpoint is None or asked is None else oauth2.authorization_url(endpoint, asked)

    async def logged_out(self, token: str) -> LoggedOut:
        """What a logout token of its ends (Back-Channel Logout 1.0 §2.6)."""
        metadata = await self._discover()
        return await oidc_logout.named(self._tools, self._settings, metadata, token, self._issuer)

    async def ping(self) -> None:
        """Whether its metadata and keys can be had."""
        metadata = await self._discover()
        await self._tools.http.document(metadata.jwks_uri)

    async def probe(self) -> list[Finding]:
        """What works and what does not there, without anybody signing in."""
        looks = Probe(
            tools=self._tools,
            settings=self._settings,
            read=lambda document: self.read(document, self._metadata),
            client=self.client,
            prompts=self.prompts,
        )
        return await looks.findings()

    # ── What a kind of upstream may add ───────────────────────────────────────────────────────

    @property
    def callback_issuer(self) -> str | None:
        """Whom a callback must be from when it says so (RFC 9207); None where what it says means nothing."""
        return self._settings.issuer

    def read(self, document: Mapping[str, Json], known: Metadata | None) -> Metadata:
        """Its metadata, of which ``known`` is the edition before."""
        return read_metadata(document, self._settings, known)

    def parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002 - for those that add some
        """Its own parameters of the authorization request."""
        return {}

    def token_parameters(self, login: Login) -> Mapping[str, str]:  # noqa: ARG002
        """Its own parameters of the token request."""
        return {}

    def client(self, metadata: Metadata) -> oauth2.Client:
        """Who we are there, and how we prove it."""
        settings = self._settings
        method = settings.auth_method or metadata.preferred_auth_method
        return oauth2.Client(
            client_id=settings.client_id,
            method=method,
            secret=settings.client_secret,
            assertion_audience=audience_of(metadata, settings) if method.endswith("_jwt") else None,
        )

    def refused(self, refused: UpstreamRefused) -> UpstreamError:
        """What an error on the callback means, where it is told in the vendor's own words."""
        return refused

    def token_refused(self, refused: oauth2.TokenRefused) -> UpstreamError:
        """What an error of the token endpoint means, where it is told in the vendor's own words."""
        return refused

    def check(self, claims: SignedClaims) -> None:
        """What else must be true of its ID Token; raises UpstreamError."""

    def subject(self, claims: SignedClaims) -> str:
        """The subject key: what never changes of a person, and is never somebody else's."""
        return str(claims["sub"])

    def logout_by(self, tokens: oauth2.Tokens, claims: SignedClaims) -> Mapping[str, str]:  # noqa: ARG002
        """What of a login goes with its end: parameters of the logout request."""
        return oidc_logout.hint(tokens)

    def logout_parameters(self, by: Mapping[str, str], back: str) -> Mapping[str, str] | None:
        """The parameters of the logout request; None where it would do nothing without what was not kept."""
        return {**by, "client_id": self._settings.client_id, "post_logout_redirect_uri": back}

    async def userinfo(
        self, tokens: oauth2.Tokens, claims: SignedClaims, metadata: Metadata
    ) -> Mapping[str, Json]:
        """The userinfo answer, if it is about the same person (Core §5.3.2)."""
        return await read_userinfo(self._tools, self._settings, metadata, tokens.access_token, claims)

    async def further(
        self,
        tokens: oauth2.Tokens,  # noqa: ARG002
        claims: SignedClaims,  # noqa: ARG002
        metadata: Metadata,  # noqa: ARG002
    ) -> Mapping[str, Json]:
        """What else it tells about the person: for the map's ``api`` document."""
        return {}

    def settled(self, identity: UpstreamIdentity) -> UpstreamIdentity:
        """The last word on who it is: put right what the vendor writes otherwise, or refuse it."""
        return identity

    # ── Metadata ──────────────────────────────────────────────────────────────────────────────

    async def _discover(self) -> Metadata:
        """What is known of the provider: from its document, or from the settings alone."""
        if not self._settings.needs_discovery:
            return self._believed(_NOTHING)
        http, url = self._tools.http, self._settings.document_url
        try:
            document = await http.document(url)
        except UpstreamInvalid as error:
            raise UpstreamInvalid(f"metadata_{error.reason}", error.detail) from error
        try:
            return self._believed(document)
        except UpstreamInvalid:
            # What is not believed is not kept for the hours that good metadata is: it may be right by now.
            return self._believed(await http.newer_document(url))

    def _believed(self, document: Mapping[str, Json]) -> Metadata:
        """What the document says, read once for each edition of it."""
        known = self._metadata
        if known is None or known.document is not document:
            known = self._metadata = self.read(document, known)
        return known

    def _uses_pkce(self, metadata: Metadata) -> bool:
        """Where the metadata is silent the upstream may well have PKCE, and one without ignores it."""
        if self._settings.pkce != "auto":
            return self._settings.pkce == "always"
        return metadata.pkce_methods is None or "S256" in metadata.pkce_methods

    def _passed_on(self, login: Login, metadata: Metadata) -> dict[str, str]:
        """The parameters of the client app's request that go on to the upstream."""
        passed = {
            "prompt": " ".join(prompts_taken(login.prompt, self.prompts or metadata.prompts)),
            "max_age": "" if login.max_age is None else str(login.max_age),
            "login_hint": login.login_hint or "",
            "acr_values": " ".join(login.acr_values),
            "ui_locales": " ".join(login.ui_locales),
        }
        return {name: value for name, value in passed.items() if value}

    # ── Tokens ────────────────────────────────────────────────────────────────────────────────

    def _code(self, answer: Mapping[str, str], metadata: Metadata) -> str:
        try:
            return oauth2.read_code(
                answer, issuer=self.callback_issuer, issuer_must_be_told=metadata.tells_issuer
            )
        except UpstreamRefused as error:
            raise self.refused(error) from error

    async def _redeemed(self, login: Login, code: str, metadata: Metadata, *, pkce: bool) -> oauth2.Tokens:
        grant = {**oauth2.code_grant(login, code, pkce=pkce), **self.token_parameters(login)}
        try:
            return await oauth2.redeem(self._tools, metadata.token_endpoint, self.client(metadata), grant)
        except oauth2.TokenRefused as error:
            raise self.token_refused(error) from error

    async def _refreshed(self, refresh_token: str, metadata: Metadata) -> oauth2.Tokens:
        """New tokens, with the refresh token that is good from now on (RFC 6749 §6)."""
        grant = oauth2.refresh_grant(refresh_token)
        try:
            tokens = await oauth2.redeem(self._tools, metadata.token_endpoint, self.client(metadata), grant)
        except oauth2.TokenRefused as error:
            if error.error == "invalid_grant":  # disabled, deleted, withdrawn or expired: they must come back
                raise UpstreamRefused("access_denied", error.detail) from error
            raise self.token_refused(error) from error
        return tokens if tokens.refresh_token is not None else replace(tokens, refresh_token=refresh_token)

    async def _asked_at_userinfo(self, kept: oidc_keep.Kept, metadata: Metadata) -> UpstreamIdentity:
        if not self._settings.get_user_info:
            raise UpstreamUnavailable("no refresh token was given, and get_user_info is off")
        if kept.expires_at is not None and self._tools.now() >= kept.expires_at:
            raise UpstreamUnavailable("the access token has ended, and no refresh token was given")
        tokens = oauth2.Tokens(access_token=kept.access_token, id_token=None, refresh_token=None)
        try:
            return await self._identity(tokens, SignedClaims(kept.claims), metadata, told=kept.told)
        except UserinfoRefused as error:
            if error.status == _UNAUTHORIZED and kept.expires_at is not None:
                raise UpstreamRefused("access_denied", error.detail) from error
            raise UpstreamUnavailable(error.detail) from error  # it may simply have ended

    def _expected(
        self, tokens: oauth2.Tokens, *, nonce: str | None, code: str | None = None, refreshed: bool = False
    ) -> Expected:
        return Expected(
            issuer=self._issuer,
            client_id=self._settings.client_id,
            nonce=nonce,
            access_token=tokens.access_token,
            code=code,
            algorithms=self._settings.id_token_signing_algs,
            auth_time_required=False,  # whether it may be absent is the broker's `freshness` to decide
            trusted_audiences=self._settings.token_audiences,
            refreshed=refreshed,
        )

    def _opened(self, tokens: oauth2.Tokens) -> oauth2.Tokens:
        """The tokens with the ID Token that is inside an encrypted one, where that was agreed on."""
        token, how = tokens.id_token, self._settings.id_token_encrypted_response_alg
        inside = token and opened(self._tools, token, how, self._settings.id_token_encrypted_response_enc)
        return tokens if inside is token else replace(tokens, id_token=inside)

    async def _verified(self, tokens: oauth2.Tokens, expected: Expected, metadata: Metadata) -> SignedClaims:
        if tokens.id_token is None:
            # Never userinfo instead: an access token does not say for whom it was made (Core §3.1.3.3).
            raise UpstreamInvalid("id_token_missing")
        return await self._tools.verify(tokens.id_token, jwks_uri=metadata.jwks_uri, expected=expected)

    async def _identity(
        self,
        tokens: oauth2.Tokens,
        claims: SignedClaims,
        metadata: Metadata,
        *,
        told: Mapping[str, bool] = _NOT_TOLD,
    ) -> UpstreamIdentity:
        """The person of these claims, with everything else that is wanted about them.

        ``told`` are those of an older ID Token that userinfo told too: what it tells no more is gone.
        """
        pulled = self._settings.get_user_info
        said = await self.userinfo(tokens, claims, metadata) if pulled else {}
        if pulled and told:
            claims = SignedClaims(oidc_keep.as_of_now(claims, said, told))
        identity = UpstreamIdentity(
            issuer=str(claims["iss"]),
            subject=self.subject(claims),
            id_token=claims,
            userinfo=said,
            api=await self.further(tokens, claims, metadata),
            auth_time=int(claims.get("auth_time") or 0) or None,
            acr=word(claims.get("acr")),
            amr=words(claims.get("amr")),
            sid=word(claims.get("sid")),
            session_ends=oidc_logout.session_ends(claims),
            keep=oidc_keep.keep(tokens, claims, said if pulled else None, now=self._tools.now()),
            token=tokens.given(self._tools.now()),
            logout_by=self.logout_by(tokens, claims),
        )
        return self.settled(identity)
