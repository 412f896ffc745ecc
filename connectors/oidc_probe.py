"""What works and what does not at an OpenID Provider, told to the operator without anybody signing in.

Owns the looks and their words. Discovery 1.0 §3 and §4.3; RFC 8414 §2. The last look sends a code that nobody
was given: what the token endpoint says of it tells whether it knows us (RFC 6749 §5.2).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from broker.connector import Answer, Finding, Json, Tools, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from connectors import oauth2
from connectors.oidc_metadata import Metadata
from connectors.oidc_settings import Settings

_OK = 200
_SKEW = 10
"""Seconds that two clocks may differ before tokens are refused."""
_NOT_US = frozenset({"invalid_client", "unauthorized_client", "access_denied"})
"""The last is what Auth0 says of a wrong secret."""
_NO_CODE = frozenset({"invalid_grant", "bad_verification_code"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One look at one provider."""

    tools: Tools
    settings: Settings
    read: Callable[[Mapping[str, Json]], Metadata]
    client: Callable[[Metadata], oauth2.Client]
    prompts: frozenset[str] | None

    async def findings(self) -> list[Finding]:
        """Each thing that was looked at, in the order in which a login needs it."""
        found: list[Finding] = []
        document = await self._document(found)
        if document is None:
            return found
        metadata = self._endpoints(document, found)
        if metadata is None:
            return found
        await self._keys(metadata, found)
        found += self._listed(metadata)
        await self._known(metadata, found)
        return found

    # ── What the provider publishes ───────────────────────────────────────────────────────────

    async def _document(self, found: list[Finding]) -> Mapping[str, Json] | None:
        """Its metadata, as it is now."""
        if not self.settings.needs_discovery:
            found.append(_none("metadata", "not read: every endpoint is written in the configuration"))
            return {}
        url = self.settings.document_url
        try:
            answer = await self.tools.http.get(url)
            document = answer.json() if answer.status == _OK else None
        except UpstreamError as error:
            found.append(_bad("metadata", error.detail if url in error.detail else f"{url}: {error.detail}"))
            return None
        if not isinstance(document, dict):
            found.append(_bad("metadata", f"{url} answered {answer.status} and no JSON object"))
            return None
        found += [_good("metadata", url), self._clock(answer), self._issuer(document)]
        return document

    def _clock(self, answer: Answer) -> Finding:
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except ValueError:
            return _none("clock", "it does not tell the time")
        ahead = theirs - self.tools.now()
        if abs(ahead) <= _SKEW:
            return _good("clock", "the same as ours")
        where = "ahead of" if ahead > 0 else "behind"
        return _bad("clock", f"its clock is {abs(ahead):.0f} s {where} ours; its tokens will be refused")

    def _issuer(self, document: Mapping[str, Json]) -> Finding:
        wanted, told = self.settings.discovery_issuer or self.settings.issuer, document.get("issuer")
        seen = oauth2.printable(str(told))
        if told == wanted or self._is_theirs(document):
            return _good("issuer", seen)
        slash = isinstance(told, str) and told.rstrip("/") == wanted.rstrip("/")
        hint = "; a slash at the end counts" if slash else ""
        return _bad("issuer", f"it says {seen}, the configuration says {wanted}{hint}")

    def _is_theirs(self, document: Mapping[str, Json]) -> bool:
        """Whether this kind of upstream takes it, where only the shape of the issuer is known before."""
        try:
            self.read(document)
        except UpstreamInvalid as error:
            return error.reason != "metadata_issuer_mismatch"
        return True

    def _endpoints(self, document: Mapping[str, Json], found: list[Finding]) -> Metadata | None:
        try:
            metadata = self.read(document)
        except UpstreamInvalid as error:
            if error.reason != "metadata_issuer_mismatch":  # that has been told
                found.append(_bad("endpoints", error.detail))
            return None
        hosts = sorted({urlsplit(origin).netloc for origin in metadata.origins})
        found.append(_good("endpoints", f"at {', '.join(hosts)}"))
        return metadata

    async def _keys(self, metadata: Metadata, found: list[Finding]) -> None:
        try:
            able = await self.tools.verify.algorithms(jwks_uri=metadata.jwks_uri)
        except UpstreamError as error:
            found.append(_bad("keys", f"{metadata.jwks_uri}: {error.detail}"))
            return
        usable = [name for name in self.settings.id_token_signing_algs if name in able]
        detail = f"they verify {', '.join(usable)}" if usable else "none for id_token_signing_algs"
        found.append(Finding(what="keys", good=bool(usable), detail=detail))

    # ── What it says that it can ──────────────────────────────────────────────────────────────

    def _listed(self, metadata: Metadata) -> list[Finding]:
        settings, document = self.settings, metadata.document
        method = self.client(metadata).method
        algorithms = settings.id_token_signing_algs
        found = [
            _offered(
                "ID Token signatures", algorithms, document.get("id_token_signing_alg_values_supported")
            ),
            self._pkce(metadata),
            _offered("client authentication", (method,), metadata.auth_methods),
            *_all_offered("scopes", settings.scope.split(), document.get("scopes_supported")),
        ]
        if settings.response_mode is not None:
            modes = document.get("response_modes_supported")
            found.append(_offered("response mode", (settings.response_mode,), modes))
        if self.prompts is None and metadata.prompts is not None:
            found.append(_offered("prompt=login", ("login",), metadata.prompts))
        return [*found, *self._userinfo(metadata), *self._encryption(document)]

    def _pkce(self, metadata: Metadata) -> Finding:
        methods = metadata.pkce_methods
        if self.settings.pkce == "never":
            listed = methods is not None and "S256" in methods
            return Finding(
                what="PKCE", good=not listed, detail="not used" + (", though it is listed" * listed)
            )
        if methods is None:
            return _none("PKCE", "not listed; it is used all the same")
        return Finding(what="PKCE", good="S256" in methods, detail="S256" if "S256" in methods else "no S256")

    def _userinfo(self, metadata: Metadata) -> list[Finding]:
        if not self.settings.get_user_info:
            return []
        if metadata.userinfo_endpoint is None:
            return [_bad("userinfo", "get_user_info is on, and there is no endpoint for it")]
        wanted = self.settings.userinfo_signed_response_alg
        if wanted is None:
            return [_good("userinfo", metadata.userinfo_endpoint)]
        listed = metadata.document.get("userinfo_signing_alg_values_supported")
        return [_offered("userinfo signatures", (wanted,), listed)]

    def _encryption(self, document: Mapping[str, Json]) -> list[Finding]:
        kinds = {"id_token": "ID Token encryption", "userinfo": "userinfo encryption"}
        found = []
        for kind, words in kinds.items():
            algorithm = getattr(self.settings, f"{kind}_encrypted_response_alg")
            if algorithm is not None:
                listed = document.get(f"{kind}_encryption_alg_values_supported")
                found.append(_offered(words, (algorithm,), listed))
        return found

    # ── Whether it knows us ───────────────────────────────────────────────────────────────────

    async def _known(self, metadata: Metadata, found: list[Finding]) -> None:
        grant = {
            "grant_type": "authorization_code",
            "code": self.tools.fresh(),
            "redirect_uri": self.tools.here.redirect_uri,
        }
        if self.settings.pkce != "never":
            grant["code_verifier"] = self.tools.fresh()
        found.append(
            await _said_of(oauth2.redeem(self.tools, metadata.token_endpoint, self.client(metadata), grant))
        )


async def _said_of(redeeming: Awaitable[oauth2.Tokens]) -> Finding:
    """What the answer to a code that was never given says of us."""
    try:
        await redeeming
    except oauth2.TokenRefused as error:
        told = f"{oauth2.printable(error.error)}: {error.detail}"
        if error.error in _NOT_US:
            return _bad("our credentials", f"it does not accept them ({told})")
        if error.error in _NO_CODE:
            return _good("our credentials", "accepted")
        return _none("our credentials", f"it does not say ({told})")
    except UpstreamUnavailable as error:
        return _bad("token endpoint", error.detail)
    except UpstreamError as error:
        return _none("our credentials", f"it does not say ({error.detail})")
    return _bad("token endpoint", "it gave tokens for a code that does not exist")


def _offered(what: str, wanted: tuple[str, ...], listed: Json) -> Finding:
    """Whether one of these is listed; nothing is known where there is no list, or an empty one."""
    if not isinstance(listed, list | frozenset) or not listed:
        return _none(what, "not listed")
    both = [name for name in wanted if name in listed]
    if both:
        return _good(what, ", ".join(both))
    offered = oauth2.printable(", ".join(sorted(str(name) for name in listed)))
    return _bad(what, f"{', '.join(wanted)} is not among {offered}")


def _all_offered(what: str, wanted: list[str], listed: Json) -> list[Finding]:
    """Whether all of these are listed. Many list only some, so that one is missing proves nothing."""
    if not isinstance(listed, list):
        return []
    missing = [name for name in wanted if name not in listed]
    return [_none(what, f"not listed: {', '.join(missing)}")] if missing else [_good(what, " ".join(wanted))]


def _good(what: str, detail: str) -> Finding:
    return Finding(what=what, good=True, detail=detail)


def _bad(what: str, detail: str) -> Finding:
    return Finding(what=what, good=False, detail=detail)


def _none(what: str, detail: str) -> Finding:
    return Finding(what=what, good=None, detail=detail)
