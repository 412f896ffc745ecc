"""SAML 2.0: an identity provider that answers with a signed assertion through the browser.

Owns the connector; what SAML is stands in `connectors.saml2`. Profiles §4.1 (Web Browser SSO): the request
goes by redirect or form, the Response comes by form. Whatever takes longer than a moment runs in a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from broker.connector import (
    Departure,
    Finding,
    Login,
    Published,
    Tools,
    UpstreamDetour,
    UpstreamError,
    UpstreamIdentity,
    UpstreamInvalid,
)
from connectors import claims_map
from connectors.saml2.assertion import Asserted, Expected, NameId
from connectors.saml2.attributes import told
from connectors.saml2.ours import Ours
from connectors.saml2.provider import Provider, from_metadata, from_settings
from connectors.saml2.request import Request, by_post, by_redirect
from connectors.saml2.response import is_unsolicited, read_response
from connectors.saml2.settings import Binding, Settings
from connectors.saml2.xml import PERSISTENT

__all__ = ["CLAIMS", "Connector", "Settings"]

CLAIMS = claims_map("saml")

REAUTHENTICATE = "reauthenticate"


class Connector:
    """A SAML identity provider."""

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings, self._tools = settings, tools
        self._ours = Ours(settings, tools.here)
        self._provider: Provider | None = None

    # ── The three duties ──────────────────────────────────────────────────────────────────────

    async def begin(self, login: Login) -> Departure:
        """To the single sign-on service, with an AuthnRequest (Core §3.4.1)."""
        return await asyncio.to_thread(self._departure, login, await self._known())

    async def finish(
        self, login: Login, answer: Mapping[str, str], memory: Mapping[str, str]
    ) -> UpstreamIdentity:
        """From the Response to a person."""
        if "SAMLResponse" not in answer or "SAMLRequest" in answer:
            raise UpstreamInvalid("not_a_response", "no SAMLResponse, or a SAMLRequest")
        provider = await self._known()
        if not memory.get("request"):
            raise UpstreamInvalid("no_request", "a login that asked for nothing")
        said = await self._read(answer["SAMLResponse"], memory["request"], login, provider)
        await self._use_up(said, provider)
        self._check_age(said, login)
        attributes = told(said.attributes, trust_email=self._settings.trust_email)
        return UpstreamIdentity(
            issuer=provider.entity_id,
            subject=self._subject(said),
            api=attributes | _named(said.name_id),
            auth_time=said.authn_instant,
            acr=said.context,
            sid=said.session_index,
            session_ends=said.session_ends,
        )

    async def ping(self) -> None:
        """Whether there is metadata, with a key in it that is believed."""
        await self._known()

    # ── What some can do ──────────────────────────────────────────────────────────────────────

    def published(self) -> Published:
        """Our own metadata."""
        return self._ours.published

    def onward(self, answer: Mapping[str, str]) -> str | None:
        """Where somebody goes who comes unasked: to an app that begins a login of its own (Core §4)."""
        target = self._settings.idp_initiated
        if target is None or not is_unsolicited(answer.get("SAMLResponse", "")):
            return None
        return _with_query(target, urlencode({"iss": self._tools.here.issuer}))

    async def probe(self) -> Sequence[Finding]:
        """What works and what does not."""
        try:
            provider = await self._known()
        except UpstreamError as error:
            return [Finding(what="metadata", good=False, detail=error.detail)]
        signs = self._settings.signs_requests
        wanted = provider.wants_signed_requests
        return [
            Finding(what="metadata", good=True, detail=f"entityID {provider.entity_id}"),
            Finding(what="sign-in address", good=True, detail=", ".join(sorted(provider.sso))),
            *self._keys_found(provider),
            Finding(
                what="signed requests",
                good=None if wanted and not signs else True,
                detail=f"{'wanted there' if wanted else 'not asked for'}, {'sent' if signs else 'not sent'}",
            ),
            Finding(
                what="to register there",
                good=None,
                # The same address twice, unless the operator gave us another name.
                detail=", ".join(dict.fromkeys((self._ours.entity_id, self._tools.here.metadata_uri))),
            ),
        ]

    def _keys_found(self, provider: Provider) -> list[Finding]:
        now = self._tools.now()
        found = []
        for certificate in provider.certificates:
            ended = certificate.ends.timestamp() <= now
            when = f"{'ended' if ended else 'good until'} {certificate.ends:%Y-%m-%d}"
            found.append(Finding(what="key", good=True, detail=f"{certificate.fingerprint[:16]}…, {when}"))
        if provider.listed > len(provider.certificates):
            more = (
                f"{len(provider.certificates)} of the metadata's {provider.listed} certificates are believed"
            )
            found.append(Finding(what="pinned keys", good=None, detail=more))
        return found

    # ── The identity provider ─────────────────────────────────────────────────────────────────

    async def _known(self) -> Provider:
        """What is known of it: from its metadata, or from the settings alone."""
        settings = self._settings
        if settings.metadata_url is None:
            if self._provider is None:
                self._provider = await asyncio.to_thread(self._stated)
            return self._provider
        http, url = self._tools.http, settings.metadata_url
        try:
            document = await http.file(url)
        except UpstreamInvalid as error:
            raise UpstreamInvalid(f"metadata_{error.reason}", error.detail) from error
        try:
            return await self._believed(document)
        except UpstreamInvalid:
            # What is not believed is not kept for the hours that good metadata is: it may be right by now.
            return await self._believed(await http.newer_file(url))

    def _stated(self) -> Provider:
        settings = self._settings
        if settings.metadata is None:
            return from_settings(settings)
        return from_metadata(settings.metadata.encode(), settings, now=self._tools.now(), known=None)

    async def _believed(self, document: bytes) -> Provider:
        """What the document says, read once for each edition of it."""
        known = self._provider
        if known is None or known.document is not document:
            now = self._tools.now()
            known = await asyncio.to_thread(from_metadata, document, self._settings, now=now, known=known)
            self._provider = known
        known.check_valid(self._tools.now())
        return known

    # ── The request ───────────────────────────────────────────────────────────────────────────

    def _departure(self, login: Login, provider: Provider) -> Departure:
        binding, signer = self._binding(provider), self._ours.signer
        request = Request(
            id=f"_{self._tools.fresh()}",
            issued_at=self._tools.now(),
            destination=provider.sso[binding],
            acs=login.redirect_uri,
            entity_id=self._ours.entity_id,
            force_authn=_forces(login),
            name_id_format=self._ours.name_id_format,
            contexts=tuple(word for word in login.acr_values if word.isprintable()),
            comparison=self._settings.authn_context_comparison,
        )
        address = self._address(request.destination, login)
        algorithm, memory = self._settings.request_signature_algorithm, {"request": request.id}
        if binding == "post":
            form = by_post(request, login.state, signer, algorithm)
            return Departure(url=address, memory=memory, form=form)
        query = by_redirect(request, login.state, signer, algorithm)
        return Departure(url=_with_query(address, query), memory=memory)

    def _binding(self, provider: Provider) -> Binding:
        """The operator's; else by form where we sign with ECDSA, which only a form says in one way."""
        signer = self._ours.signer
        usual: Binding = "post" if signer is not None and signer.type == "EC" else "redirect"
        there: Binding = usual if usual in provider.sso else next(iter(provider.sso))
        wanted: Binding = self._settings.request_binding or there
        if wanted not in provider.sso:
            raise UpstreamInvalid("metadata_no_endpoint", f"its metadata has no sign-in by {wanted}")
        return wanted

    def _address(self, sso: str, login: Login) -> str:
        """Where the browser goes; SAML has no hint of who is meant, but some read one beside the request."""
        name = self._settings.login_hint_parameter
        if name is None or not login.login_hint:
            return sso
        return _with_query(sso, urlencode({name: login.login_hint}))

    # ── The answer ────────────────────────────────────────────────────────────────────────────

    async def _read(self, response: str, request_id: str, login: Login, provider: Provider) -> Asserted:
        """What the Response says. Where its key is new, the metadata is read anew, if that may bring one."""
        expected = Expected(
            idp=provider.entity_id,
            entity_id=self._ours.entity_id,
            acs=login.redirect_uri,
            request_id=request_id,
            now=self._tools.now(),
            skew=self._settings.clock_skew,
            merge_attributes=self._settings.repeated_attributes == "merge",
        )
        try:
            return await asyncio.to_thread(self._checked, response, expected, provider)
        except UpstreamInvalid as error:
            if error.reason != "signature_wrong" or self._settings.metadata_url is None:
                raise
            newer = await self._believed(await self._tools.http.newer_file(self._settings.metadata_url))
            if newer.certificates == provider.certificates:
                raise
        return await asyncio.to_thread(self._checked, response, expected, newer)

    def _checked(self, response: str, expected: Expected, provider: Provider) -> Asserted:
        return read_response(response, expected, self._ours.keys(provider))

    async def _use_up(self, said: Asserted, provider: Provider) -> None:
        """An assertion is good for one login (Profiles §4.1.4.5)."""
        ttl = min(max(said.usable_until - self._tools.now(), 1.0), _LONGEST)
        if not await self._tools.once(json.dumps([provider.entity_id, said.id]), ttl=ttl):
            raise UpstreamInvalid("assertion_replayed")

    def _check_age(self, said: Asserted, login: Login) -> None:
        """A session there that is older than wanted is renewed: SAML asks for that only by ForceAuthn."""
        age = self._tools.now() - said.authn_instant
        if (
            login.max_age is not None
            and age > login.max_age + self._settings.clock_skew
            and not _forces(login)
        ):
            raise UpstreamDetour(REAUTHENTICATE, "its session is older than max_age")

    def _subject(self, said: Asserted) -> str:
        """The subject key: what is named, and all that says by whom and how, so that no two are alike."""
        wanted = self._settings.subject_attribute
        if wanted is not None:
            values = said.attributes.get(wanted, [])
            if (
                len(values) != 1
                or not values[0]
                or values[0] != values[0].strip()
                or not values[0].isprintable()
            ):
                raise UpstreamInvalid("subject_attribute_unusable", f"{len(values)} values, or no plain text")
            return json.dumps(["attribute", wanted, values[0], *said.qualifiers.get(wanted, ())])
        name = said.name_id
        if name is None:
            raise UpstreamInvalid("name_id_missing")
        if name.format != PERSISTENT:  # others are given to somebody else one day, or to everybody anew
            raise UpstreamInvalid("name_id_not_persistent", name.format[:200] or "no format")
        return json.dumps([name.format, name.name_qualifier, name.sp_name_qualifier, name.value])


_LONGEST = 86400.0
"""Seconds that a used assertion is remembered at most; its request is forgotten long before."""


def _forces(login: Login) -> bool:
    """Whether the person shall sign in anew: asked for, or the last answer of this login was too old."""
    return bool(
        {"login", "select_account"} & set(login.prompt)
        or login.max_age == 0
        or login.detour == REAUTHENTICATE
    )


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _named(name: NameId | None) -> dict[str, dict[str, str]]:
    if name is None:
        return {}
    return {"name_id": {"value": name.value, "format": name.format}}
