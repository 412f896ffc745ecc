"""The authentication request, validated: a ladder whose first two rungs answer on our own page.

OpenID Connect Core §3.1.2.1 and §3.1.2.2; RFC 6749 §4.1.1; RFC 9700 §2.1; RFC 9126 §5; RFC 9101 §10.5; RFC
8707 §2.1; RFC 9396 §2; RFC 9449 §10. Client and redirect_uri come first; only what they prove (`ReplyTo`)
lets the client app hear of anything after them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

from broker.protocol import (
    authorization_details,
    claims_request,
    dpop,
    languages,
    pkce,
    redirects,
    resources,
    scopes,
)
from broker.protocol.authorization_details import DetailType
from broker.protocol.client import Client, ScopeRule
from broker.protocol.errors import (
    AccessDenied,
    InvalidRequest,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    Shown,
    UnsupportedResponseType,
)
from broker.protocol.flow import AuthorizeRequest, ClaimsRequest, Prompt
from broker.protocol.params import Params
from broker.protocol.reply import ReplyTo, ResponseMode
from broker.protocol.resources import Resource

_PROMPTS = frozenset(get_args(Prompt))
_MODES = frozenset(get_args(ResponseMode))
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_UNTELLABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ANY_AGE = 10 * 365 * 86400
_MAX = {
    "state": 2048,
    "nonce": 1024,
    "login_hint": 512,
    "id_token_hint": 8192,
    "acr_values": 1024,
    "ui_locales": 256,
}

ReadHint = Callable[[str], Mapping[str, Any] | None]
"""Verifies an ID Token that may be ours, whatever its age: its claims, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the ladder holds a request against; made once, at load."""

    issuer: str
    scopes: Mapping[str, ScopeRule]
    connectors: Collection[str]
    """The enabled ones."""
    read_hint: ReadHint
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """The APIs that tokens may be asked for."""
    detail_types: Mapping[str, DetailType] = field(default_factory=dict)
    """The types of authorization details."""
    pushed_only: bool = False
    """Whether no client may send a request but by pushing it (RFC 9126 §5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """How a request came to us."""

    pushed: str = ""
    """The reference that it was pushed under (RFC 9126 §2.2); empty where it was not."""
    pushing: bool = False
    """Whether it is being pushed right now."""
    signed: bool = False
    """Whether its client app signed it (RFC 9101)."""


def validate(
    params: Params, known: Client | None, rules: Rules, correlation_id: str = "", *, came: Came = Came()
) -> AuthorizeRequest:
    """The request, valid.

    Args:
        params: as they were sent.
        known: the client app that ``client_id`` names, if there is one.
        rules: what requests are held against.
        correlation_id: names its login in the log from here on.
        came: whether it was pushed, and signed.

    Raises:
        Shown: client or redirect_uri are not to be trusted, so nobody is redirected.
        AnsweredAtClient: anything else is wrong.
    """
    client = _client(known)
    told = reply_to(params, client, rules.issuer)
    with told.hears_errors():  # RFC 6749 §4.1.2.1: from here on the client app is told
        _admit(params, client, rules, came)
        return _read(params, client, rules, told, correlation_id=correlation_id, pushed=came.pushed)


def _admit(params: Params, client: Client, rules: Rules, came: Came) -> None:
    """That it is a request of a kind that we take, whatever it asks."""
    params.without_repeats()
    _nothing_too_long(params)
    _state_is_printable(params)
    _no_request_object(params)
    _as_it_must_come(client, rules, came)
    _response_type_is_code(params)
    _response_mode_is_known(params)
    _answer_is_signed(params, client)


def _read(
    params: Params, client: Client, rules: Rules, told: ReplyTo, *, correlation_id: str, pushed: str
) -> AuthorizeRequest:
    """What it asks, each part held against what the client may ask."""
    targets = resources.asked(params.all("resource"), client, rules.resources)
    subject, hint_is_good = _id_token_hint(params, client, rules)
    details = params.get("authorization_details")
    claims = claims_request.read(params.get("claims"))
    return AuthorizeRequest(
        client_id=client.client_id,
        reply_to=told,
        scopes=read_scopes(params, client, rules, targets),
        nonce=params.get("nonce"),
        code_challenge=pkce.read_challenge(params, required=client.require_pkce or client.is_public),
        prompt=_prompt(params),
        max_age=_max_age(params, client, claims),
        login_hint=params.get("login_hint"),
        acr_values=_words(params, "acr_values"),
        ui_locales=tuple(tag for tag in _words(params, "ui_locales") if languages.TAG.fullmatch(tag)),
        claims=claims,
        connector=_connector(params, client, rules.connectors),
        subject=subject,
        session_may_answer=hint_is_good,
        resources=targets,
        authorization_details=authorization_details.read(details, client, rules.detail_types),
        dpop_jkt=dpop.named_key(params.get("dpop_jkt")),
        correlation_id=correlation_id,
        pushed=pushed,
    )


def _client(client: Client | None) -> Client:
    if client is None or not client.enabled:
        raise Shown("unknown_client", detail="client_id is missing, repeated, unknown or disabled")
    return client


def reply_to(params: Params, client: Client, issuer: str) -> ReplyTo:
    """Where the client app may be answered, and how.

    Raises:
        Shown: the redirect_uri is missing or not registered.
    """
    redirect_uri = params.get("redirect_uri")  # Core §3.1.2.1 makes it required
    if redirect_uri is None or not redirects.is_registered(redirect_uri, client):
        raise Shown("redirect_uri_unregistered", detail=f"client {client.client_id}")
    mode, state = params.get("response_mode"), params.get("state")
    return ReplyTo(
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        # A mode that cannot be had is told in the default one of the code flow.
        response_mode=_mode(mode, client) if _mode_fits(mode, redirect_uri) else _default_mode(client),
        state=state if state is not None and _can_be_told(state) else None,
        issuer=issuer,
    )


def _nothing_too_long(params: Params) -> None:
    for name, limit in _MAX.items():
        if len(params.get(name) or "") > limit:
            raise InvalidRequest(f"{name} is too long.", reason="parameter_too_long", detail=name)


def _can_be_told(state: str) -> bool:
    """Whether a query and a form both carry it whole; RFC 6749 Appendix A.5 has fewer characters still."""
    return len(state) <= _MAX["state"] and _UNTELLABLE.search(state) is None


def _state_is_printable(params: Params) -> None:
    if not _can_be_told(params.get("state") or ""):
        raise InvalidRequest("state has a control character.", reason="state_malformed")


def _no_request_object(params: Params) -> None:  # Core §3.1.2.6, §6
    if params.get("request") is not None:
        raise RequestNotSupported
    if params.get("request_uri") is not None:
        raise RequestUriNotSupported
    if params.get("registration") is not None:
        raise RegistrationNotSupported


def _as_it_must_come(client: Client, rules: Rules, came: Came) -> None:
    """That it was pushed and signed, where it must be (RFC 9126 §5 and §6, RFC 9101 §10.5)."""
    must_push = rules.pushed_only or client.require_pushed_authorization_requests
    if must_push and not (came.pushed or came.pushing):
        raise InvalidRequest("The request must be pushed first.", reason="not_pushed")
    if client.require_signed_request_object and not came.signed:
        raise InvalidRequest("The request must be signed.", reason="not_signed")


def _response_type_is_code(params: Params) -> None:
    response_type = params.require("response_type")
    if response_type != "code":  # RFC 9700 §2.1.2: no token ever passes through the browser
        raise UnsupportedResponseType("response_type must be code.")


def _response_mode_is_known(params: Params) -> None:
    mode = params.get("response_mode")
    if mode is not None and not _mode_fits(mode, params.get("redirect_uri") or ""):
        raise InvalidRequest("response_mode is not one that can be had here.", reason="response_mode")


def _mode_fits(mode: str | None, redirect_uri: str) -> bool:
    """Whether we have the mode and can answer there by it: no form is posted to an app's own scheme."""
    if mode in ("query", "query.jwt", "jwt"):
        return True
    return mode in _MODES and redirect_uri.startswith(("https://", "http://"))


def _mode(mode: str | None, client: Client) -> ResponseMode:
    """``jwt`` stands for the signed form of what a code is answered by (JARM §2.3.4)."""
    if mode == "jwt" or (_needs_signed_answers(client) and not _is_signed(mode)):
        return "query.jwt"
    return cast("ResponseMode", mode)


def _default_mode(client: Client) -> ResponseMode:
    """How a client hears us that asks for no mode that it can have."""
    return "query.jwt" if _needs_signed_answers(client) else "query"


def _answer_is_signed(params: Params, client: Client) -> None:
    if _needs_signed_answers(client) and not _is_signed(params.get("response_mode")):
        raise InvalidRequest("response_mode must be jwt.", reason="response_mode_unsigned")


def _needs_signed_answers(client: Client) -> bool:
    return client.profile == "fapi2_message_signing"  # FAPI 2.0 Message Signing §5.4


def _is_signed(mode: str | None) -> bool:
    return mode is not None and mode.endswith("jwt")


def read_scopes(params: Params, client: Client, rules: Rules, targets: tuple[str, ...]) -> tuple[str, ...]:
    """What may be asked, less what none of the targets understands; the token answer tells the difference.

    Without any scope a request for authorization details is complete (RFC 9396 §3), and so is one that names
    an API, which may know no scopes or say later which it wants: none is what that means (RFC 6749 §3.3).
    """
    text = params.get("scope") or ""
    if not text and (targets or params.get("authorization_details") is not None):
        return ()
    found = scopes.allowed(scopes.split(text), client, rules.scopes)
    return resources.cut(found, targets, rules.resources, rules.scopes)


def _prompt(params: Params) -> frozenset[Prompt]:
    prompt = frozenset(_words(params, "prompt"))
    if not prompt <= _PROMPTS:
        raise InvalidRequest("prompt has an unknown value.", reason="prompt")
    if "none" in prompt and len(prompt) > 1:  # Core §3.1.2.1
        raise InvalidRequest("prompt none stands alone.", reason="prompt")
    return cast("frozenset[Prompt]", prompt)


def _max_age(params: Params, client: Client, claims: ClaimsRequest) -> int | None:
    """As it is asked, else as the client has registered (OpenID Connect Registration §2)."""
    text = params.get("max_age")
    if text is None and client.default_max_age is None:
        # However old a login may be, with max_age it is known how old it is (Core §2, auth_time).
        needed = client.require_auth_time or claims_request.needs_auth_time(claims)
        return _ANY_AGE if needed else None
    if text is None:
        return client.default_max_age
    if _WHOLE_NUMBER.fullmatch(text) is None:
        raise InvalidRequest("max_age must be a number of seconds.", reason="max_age")
    return int(text)


def _words(params: Params, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((params.get(name) or "").split()))


def _connector(params: Params, client: Client, enabled: Collection[str]) -> str | None:
    hint = params.get("connector")
    if hint is None:
        return None
    if hint not in enabled or (client.connectors is not None and hint not in client.connectors):
        raise AccessDenied("The connector cannot be used.", reason="connector_not_allowed")
    return hint


def _id_token_hint(params: Params, client: Client, rules: Rules) -> tuple[str | None, bool]:
    """Whose ID Token the hint is, and whether a session may answer for it. It is never a login."""
    hint = params.get("id_token_hint")
    if hint is None:
        return None, True
    claims = rules.read_hint(hint)
    if claims is None or claims.get("iss") != rules.issuer:
        return None, False
    if not {"iat", "exp"} <= claims.keys():  # a userinfo answer, which we sign too (Core §2 and §5.3.2)
        return None, False
    subject = claims.get("sub")
    if claims.get("aud") not in (client.client_id, [client.client_id]) or not isinstance(subject, str):
        return None, False
    return subject, True
