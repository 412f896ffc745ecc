"""The one place that decides what a request needs next.

    proceed    a valid request     ─▶ conclude | depart | choosing | login_required
    depart     a connector chosen  ─▶ 303 to the upstream
    choosing   several connectors  ─▶ the chooser page, whose links come back to /continue
    conclude   somebody known      ─▶ issue | 303 to the consent page | consent_required
    issue      consent settled     ─▶ the client app, with a code

Steps never call back up this list; each ends in an answer. OpenID Connect Core §3.1.2.3 to §3.1.2.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

from aiohttp import web

from broker.endpoints import (
    about,
    choosing,
    cookies,
    device_answers,
    explaining,
    http,
    issuing,
    sealing,
    sectors,
)
from broker.endpoints.asking import as_last_heard
from broker.endpoints.ends import is_over
from broker.endpoints.recognition import for_client
from broker.events import traced
from broker.protocol import consent, handles, metadata, routing, sessions
from broker.protocol.client import Client
from broker.protocol.errors import (
    ConsentRequired,
    LoginRequired,
    ProtocolError,
    ServerError,
    Shown,
    TemporarilyUnavailable,
)
from broker.protocol.flow import (
    AuthenticationContext,
    AuthorizeRequest,
    Consent,
    PendingConsent,
    PendingLogin,
    PendingRequest,
    Session,
)
from broker.protocol.names import Names
from broker.protocol.redirects import is_registered
from broker.record import Record, replace
from broker.services import SERVICES, Services
from broker.store import StoreCorrupt, StoreUnavailable
from broker.upstreams import Started

ACCOUNT = metadata.ACCOUNT
CONTINUE, CONSENT, NOT_YOU = choosing.CONTINUE, "/consent", "/not-you"
JAR = cookies.JAR


class SignedIn(Record, frozen=True, kw_only=True):
    """Somebody known in this browser: who, and by which session."""

    context: AuthenticationContext
    sid: str

    @classmethod
    def by(cls, session: Session) -> SignedIn:
        """As the session says."""
        return cls(context=session.context, sid=session.sid)


async def client_of(services: Services, asked: AuthorizeRequest) -> Client:
    """The client app of a kept request, which may have changed since.

    Raises:
        Shown: it is gone, or its redirect_uri is, so nobody is redirected there.
    """
    client = await services.clients.find(asked.client_id)
    if client is None or not client.enabled:
        raise Shown("unknown_client", detail="the client is gone since")
    if asked.device is not None:
        if not device_answers.may_be_answered(client):
            raise Shown("unknown_client", detail="it is no client app for devices since")
    elif not is_registered(asked.reply_to.redirect_uri, client):
        raise Shown("unknown_client", detail="the redirect_uri is gone since")
    return client


def new_flow(services: Services) -> cookies.Flow:
    """Something to be kept for one browser."""
    return cookies.Flow(services.fresh(), services.fresh())


def asking_again(asked: AuthorizeRequest) -> AuthorizeRequest:
    """The same request, with a login by somebody of the person's choice first."""
    return replace(asked, prompt=asked.prompt | {"select_account"}, login_hint=None)


@contextmanager
def told_to(asked: AuthorizeRequest) -> Iterator[None]:
    """From here on the client app hears what goes wrong, the store's troubles too."""
    with asked.reply_to.hears_errors():
        try:
            yield
        except StoreUnavailable as error:
            raise TemporarilyUnavailable(reason="store_unavailable", detail=str(error)) from error
        except StoreCorrupt as error:
            raise ServerError(reason="store_corrupt", detail=str(error)) from error
        except ProtocolError:
            raise
        except Exception as error:
            raise ServerError(reason=type(error).__name__, detail=traced(error)) from error


async def current_session(request: web.Request) -> Session | None:
    """The browser's live session."""
    services = request.app[SERVICES]
    cookie = request.app[JAR].session(request)
    if cookie is None:
        return None
    try:
        session = await services.store.read_session(cookie, services.config.lifetimes.session.idle)
    except StoreCorrupt:  # told as an alarm already; whoever holds this cookie signs in anew
        return None
    if session is None or services.now() >= session.ends_at:
        return None
    if await is_over(services, session.context, session.started_at):
        return None
    context = await as_last_heard(services, session.context)
    if context is None or context is session.context:
        return None if context is None else session
    return replace(session, context=context)


async def signed_in(request: web.Request) -> Session | None:
    """The browser's live session, of a connector that is still there: what pages of our own go by."""
    session = await current_session(request)
    enabled = request.app[SERVICES].upstreams.enabled
    return session if session is not None and session.context.connector in enabled else None


async def proceed(
    request: web.Request, asked: AuthorizeRequest, visit: choosing.Visit | None = None
) -> web.Response:
    """What this request needs next.

    Args:
        request: the browser's request.
        asked: what the client app asked.
        visit: what the person did at /continue, if the request was kept and came by way of it.
    """
    services = request.app[SERVICES]
    explaining.concerns(request, asked)
    client = await client_of(services, asked)
    allowed = services.config.routing.routes.allowed(client)
    if asked.connector is not None:  # checked before, but a kept request may have waited
        allowed = Names([routing.picked(asked.connector, allowed)])
    if visit is not None and visit.picked is not None and "none" not in asked.prompt:
        explaining.decided(request, "routing", visit.picked, "the person chose it")
        return await depart(request, visit.hinted(asked), routing.picked(visit.picked, allowed))
    session = await current_session(request)
    objection = _objection(services, asked, client, session, allowed)
    explaining.decided(request, "session", "not used" if objection else "reused", objection or "")
    if session is not None and objection is None:
        return await conclude(request, asked, SignedIn.by(session))
    if "none" in asked.prompt:  # Core §3.1.2.6; prompt=none never leaves the broker
        raise LoginRequired(reason="no_usable_session")
    known = choosing.known(request, asked, allowed, session)
    choosing_now = visit is not None and visit.is_choosing
    connector, why = (None, "") if choosing_now else routing.routed(asked, allowed, known)
    if connector is not None:
        explaining.decided(request, "routing", connector, why)
        return await depart(request, asked, connector)
    if visit is None:
        # The chooser has an address of its own, so that it can be reloaded and come back to.
        return await wait_for_get(request, asked)
    return choosing.show(request, asked, client, allowed, visit)


def _objection(
    services: Services, asked: AuthorizeRequest, client: Client, session: Session | None, allowed: Names
) -> str | None:
    """Why this browser's session does not answer; None where it does."""
    if session is None:
        return sessions.objection(asked, None, allowed, now=services.now())
    return sessions.objection(
        asked,
        session,
        allowed,
        now=services.now(),
        reachable=_reachable(services, asked, session),
        sub=services.sub(session.context, client),
    )


def _reachable(services: Services, asked: AuthorizeRequest, session: Session) -> Sequence[str]:
    """What of the ``acr_values`` asked for a new login where this session came from may reach."""
    upstream = services.upstreams.get(session.context.connector)
    return upstream.steps_up(asked) if upstream is not None else ()


async def depart(
    request: web.Request, asked: AuthorizeRequest, connector: str, *, detour: str = "", detours: int = 0
) -> web.Response:
    """Send the browser to the upstream, and remember what must come back.

    ``detour`` is the connector's own word for why this login begins once more, the ``detours``-th time.
    """
    services = request.app[SERVICES]
    ttl = services.config.lifetimes.login
    begun, nonce, verifier = new_flow(services), services.fresh(), services.fresh()
    request[about.CONCERNS]["connector"] = connector
    client = await client_of(services, asked)
    started = Started(
        asked=asked,
        client_name=client.client_name,
        state=begun.id,
        nonce=nonce,
        code_verifier=verifier,
        detour=detour,
    )
    departure = await services.upstreams[connector].begin(started)
    pending = PendingLogin(
        asked=asked,
        connector=connector,
        nonce=nonce,
        code_verifier=verifier,
        memory=dict(departure.memory),
        started_at=services.now(),
        detour=detour,
        detours=detours,
        decisions=explaining.so_far(request),
    )
    await services.store.put_login(begun.id, begun.secret, pending, ttl)
    response = http.departing(request, departure, upstream=services.upstreams[connector].name)
    request.app[JAR].set_flow(request, response, begun, now=services.now(), ttl=ttl)
    services.events.emit(
        "departure", "ok", connector=connector, client_id=asked.client_id, correlation_id=asked.correlation_id
    )
    return response


async def wait_for_get(request: web.Request, asked: AuthorizeRequest) -> web.Response:
    """Keep the request for a GET of our own, bound to this browser."""
    services = request.app[SERVICES]
    ttl = services.config.lifetimes.login
    kept = new_flow(services)
    await services.store.put_request(kept.id, kept.secret, PendingRequest(asked=asked), ttl)
    response = http.see_other(services.at(f"{CONTINUE}?{urlencode({'flow': kept.id})}"))
    request.app[JAR].set_flow(request, response, kept, now=services.now(), ttl=ttl)
    return response


async def conclude(request: web.Request, asked: AuthorizeRequest, who: SignedIn) -> web.Response:
    """Settle consent with somebody known: spare it, ask for it, or refuse."""
    services = request.app[SERVICES]
    client = await client_of(services, asked)
    await sectors.knows(services, client)
    sessions.is_whom_was_asked(asked, who.context, sub=services.sub(who.context, client))
    context = for_client(services, who.context, client, correlation_id=asked.correlation_id)
    who = who if context is who.context else SignedIn(context=context, sid=who.sid)
    remembered = None
    if not client.trusted or "consent" in asked.prompt:
        remembered = await remembered_consent(services, who.context.subject, client.client_id)
    explaining.concludes(request, who.context)
    question = consent.question(asked, client, remembered, services.scopes, services.rules.resources)
    outcome, why = consent.in_words(question, client, remembered)
    explaining.decided(request, "consent", outcome, why)
    if question.is_needed and "none" in asked.prompt:
        raise ConsentRequired(reason="consent_needed")
    explaining.ahead(request)
    if not question.is_needed:
        return await issue(request, asked, who, question.granted, remembered)
    return await ask_consent(request, asked, who, question)


async def remembered_consent(services: Services, subject: str, client_id: str) -> Consent | None:
    """The consent that still stands."""
    found = await services.store.read_consent(subject, client_id)
    return found if found is not None and services.now() < found.expires_at else None


async def ask_consent(
    request: web.Request, asked: AuthorizeRequest, who: SignedIn, question: consent.Question
) -> web.Response:
    """On to the consent page, whose answer only this browser can give."""
    services = request.app[SERVICES]
    ttl = services.config.lifetimes.login
    kept = new_flow(services)
    pending = PendingConsent(
        asked=asked,
        context=who.context,
        sid=who.sid,
        to_ask=question.to_ask,
        granted=question.granted,
        at=question.at,
    )
    await services.store.put_consent_page(kept.id, kept.secret, pending, ttl)
    response = http.see_other(services.at(f"{CONSENT}?{urlencode({'flow': kept.id})}"))
    request.app[JAR].set_flow(request, response, kept, now=services.now(), ttl=ttl)
    return response


async def issue(
    request: web.Request,
    asked: AuthorizeRequest,
    who: SignedIn,
    granted: Sequence[str],
    stands_on: Consent | None,
) -> web.Response:
    """Answer the client app with a code for what was granted."""
    services = request.app[SERVICES]
    store = services.store
    client = await client_of(services, asked)
    await sealing.answerable(services, client, asked.reply_to)  # its key may be gone since it asked
    if stands_on is not None:
        await issuing.used(services, who.context.subject, stands_on)
    await issuing.answered_once(services, asked)
    grant = issuing.grant_for(services, asked, client, who.context, who.sid, granted, stands_on)
    if asked.device is not None:
        return await device_answers.allowed(request, asked.device, client, grant)
    code = handles.mint("code", grant.id, services.chance(handles.SECRET_BYTES), store.handle_keys[0])
    await store.put_grant(grant, code, issuing.code_lifetime(services, client))
    services.events.emit(
        "code",
        "ok",
        client_id=asked.client_id,
        connector=who.context.connector,
        subject=who.context.subject,
        sid=who.sid,
        grant_id=grant.id,
        scope=" ".join(grant.scopes),
        correlation_id=asked.correlation_id,
    )
    return await http.at_client(request, asked.reply_to.code(code.text))
