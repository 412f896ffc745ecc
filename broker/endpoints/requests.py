"""How an authorization request comes to us: in parameters, signed, or pushed beforehand.

    /authorize    request_uri of ours   the pushed request, and nothing else of what was sent
                  request               what its client app signed, and nothing else of what was sent
                  else                  the parameters
    /par          the same but the first, from who has authenticated; answered with a request_uri

RFC 9126; RFC 9101. Nothing is fetched on anybody's word: a request_uri is one of ours or it is refused (RFC
9101 §10.4.1). A request_uri is a name and opens nothing: it stays good until it is answered, so that a page
may be loaded again, and for its own client app alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from broker.clients.keys import Keyholder
from broker.endpoints import about, http, possession, sealing
from broker.endpoints.client_auth import authenticated
from broker.jose import JoseError
from broker.protocol import authorize, redirects, request_object
from broker.protocol.authorize import Came
from broker.protocol.client import Client
from broker.protocol.errors import (
    InvalidRequest,
    InvalidRequestObject,
    OAuthError,
    RequestNotSupported,
    Shown,
    TooManyRequests,
)
from broker.protocol.flow import AuthorizeRequest
from broker.protocol.params import Params
from broker.protocol.reply import AnsweredAtClient
from broker.services import SERVICES, Services
from broker.store import PushedRequest

URN: Final = "urn:ietf:params:oauth:request_uri:"
_LONGEST_LIFE: Final = 599
"""FAPI 2.0 Security Profile §5.3.2.2: less than 600 seconds."""
_OF_THE_CALL: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type", "request"})
"""What is about who calls, and no part of the request."""


async def read(request: web.Request, params: Params) -> AuthorizeRequest:
    """The request that /authorize was asked, valid, however it came.

    Raises:
        Shown: nobody may be redirected.
        AnsweredAtClient: it is wrong, and its client app may hear of it.
        OAuthError: its client app could not read the answer, so nobody signs in for it.
    """
    services = request.app[SERVICES]
    client = await services.clients.find(params.get("client_id") or "")
    came = Came()
    if client is not None and client.enabled:
        reference = params.get("request_uri") or ""
        if reference.startswith(URN):
            params, came = await _pushed(services, client, reference.removeprefix(URN))
        elif params.get("request") is not None:
            with _heard_where_registered(services, params, client):
                _one_of_both(reference)
                params = await _opened(services, params, client)
            came = Came(signed=True)
    asked = authorize.validate(params, client, services.rules, request[about.CORRELATION], came=came)
    if client is not None:  # else nothing was valid
        # Told on a page of ours: an answer that its app wants encrypted does not go there in the clear.
        await sealing.answerable(services, client, asked.reply_to)
    return asked


async def push(request: web.Request) -> web.Response:
    """POST /par (RFC 9126 §2)."""
    services = request.app[SERVICES]
    params = (await http.read_form(request)).without_repeats()
    client = await authenticated(request, params)
    if params.get("request_uri") is not None:  # RFC 9126 §2.1
        raise InvalidRequest("request_uri cannot be pushed.", reason="request_uri_pushed")
    if "authorization_code" not in client.grant_types:
        raise InvalidRequest("The client asks nobody to sign in.", reason="grant_type_not_allowed")
    signed = params.get("request") is not None
    if signed:
        params = await _opened(services, params, client)
    kept = _without(params, client, await possession.pushed(request, client, params))
    asked = _valid(services, kept, client, Came(pushing=True, signed=signed), request[about.CORRELATION])
    await sealing.answerable(services, client, asked.reply_to)
    lives, reference = _life(services, client), services.fresh()
    # Anybody may speak for a client that proves nothing, or register one more; so addresses are counted too.
    anybody = client.is_public or client.registered_itself
    address = about.client_address(request) if anybody else ""
    pushed = PushedRequest(params=kept, signed=signed)
    wait = await services.store.put_pushed(client.client_id, reference, pushed, lives, address=address)
    if wait:
        raise TooManyRequests(reason="pushed_too_much", wait=wait)
    services.events.emit(
        "pushed",
        "ok",
        address=about.client_address(request),
        correlation_id=request[about.CORRELATION],
        **request[about.CONCERNS],
    )
    return http.json({"request_uri": URN + reference, "expires_in": lives}, status=201)


def _valid(
    services: Services, params: Params, client: Client, came: Came, correlation_id: str
) -> AuthorizeRequest:
    """As it would be taken at /authorize; whoever pushed it hears what is wrong (RFC 9126 §2.3)."""
    try:
        return authorize.validate(params, client, services.rules, correlation_id, came=came)
    except AnsweredAtClient as error:
        raise error.error from error
    except Shown as error:
        raise InvalidRequest("redirect_uri is missing or not registered.", reason=error.reason) from error


def _life(services: Services, client: Client) -> int:
    lives = services.config.lifetimes.par
    return min(lives, _LONGEST_LIFE) if client.profile is not None else lives


def _without(params: Params, client: Client, jkt: str | None) -> Params:
    """The request alone, bound to the key that was proved: no secret of a client is kept."""
    values = {name: value for name, value in params.values.items() if name not in _OF_THE_CALL}
    values["client_id"] = client.client_id
    if jkt is not None:  # RFC 9449 §10.1: a proof here is as good as dpop_jkt
        values["dpop_jkt"] = jkt
    return Params(values, params.repeated, params.several)


async def _pushed(services: Services, client: Client, reference: str) -> tuple[Params, Came]:
    """What was pushed under this reference by this client app; none of the other parameters counts (§4)."""
    kept = await services.store.read_pushed(client.client_id, reference)
    if kept is None:
        # Unknown, expired, answered or another client's: one page for all, and no redirect_uri to trust.
        raise Shown("login_expired", detail="the request_uri is not good for this client")
    return kept.params, Came(pushed=reference, signed=kept.signed)


def _one_of_both(reference: str) -> None:
    """RFC 9101 §5: a request comes by value or by reference, never by both."""
    if reference:
        raise InvalidRequest("request and request_uri do not go together.", reason="request_twice")


async def _opened(services: Services, params: Params, client: Client) -> Params:
    """The parameters that the client app signed (RFC 9101 §6); what stands beside them does not count."""
    if client.jwks is None and client.jwks_uri is None:
        said = "The client has no keys that a request is signed by."
        raise RequestNotSupported(said, reason="client_has_no_keys")
    text = params.get("request") or ""
    try:
        signed = await services.public_keys.verified(
            Keyholder.of(client),
            text,
            algorithms=request_object.algorithms(client),
            typ=request_object.types(client),
        )
    except JoseError as error:
        raise InvalidRequestObject(
            "The request object is not one that this client signed.",
            reason=f"request_object_{error.reason}",
            detail=error.detail,
        ) from error
    return request_object.parameters(signed.claims, client, issuer=services.issuer, now=services.now())


@contextmanager
def _heard_where_registered(services: Services, params: Params, client: Client) -> Iterator[None]:
    """An object that is not believed names no place; the parameters beside it may, if it is registered."""
    try:
        yield
    except OAuthError as error:
        uri = params.get("redirect_uri")
        if uri is None or not redirects.is_registered(uri, client):
            raise Shown("bad_request", detail=error.reason) from error
        raise AnsweredAtClient(authorize.reply_to(params, client, services.issuer), error) from error
