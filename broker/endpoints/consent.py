"""/consent: a person decides what an app may have.

OpenID Connect Core §3.1.2.4; RFC 6749 §10.2. Only the kept transaction counts: a form can choose among
what was asked, and change nothing else. The answer is taken once, from the browser and the person the
page was shown to.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from broker.endpoints import about, device_answers, flow, forms, http, speaking
from broker.endpoints.forms import csrf_token, from_our_own_page, person_in_words
from broker.pages import ConsentView, Detail, DeviceConfirmView, ScopeLine
from broker.protocol import authorization_details, consent, device, redirects, scopes
from broker.protocol.device import DeviceRequest
from broker.protocol.errors import AccessDenied, InvalidRequest, Shown
from broker.protocol.flow import Consent, ConsentAt, ForDevice, PendingConsent, Worded
from broker.protocol.params import Params
from broker.services import SERVICES, Services

_MOST_BOXES = 1000
"""Fields of an answer: a box for each scope, and those of the form itself."""


async def show(request: web.Request) -> web.Response:
    """GET /consent: the page."""
    flow_id = http.read_query(request).get("flow") or ""
    secret = request.app[flow.JAR].flow(request, flow_id)
    if secret is None:  # the answer took the cookie along, or it is another browser's
        raise Shown("consent_gone", status=403, detail="no flow cookie in this browser")
    pending = await _there(request, await request.app[SERVICES].store.read_consent_page(flow_id, secret))
    await _same_person(request, pending)
    services, which = request.app[SERVICES], pending.asked.device
    view = await _view(services, pending, flow_id, csrf_token(secret))
    if which is None:
        return http.page(request, view)
    waiting = await device_answers.waiting(services, which)
    return http.page(request, _for_device(services, view, waiting, which))


async def answer(request: web.Request) -> web.Response:
    """POST /consent: what the person decided."""
    form, chosen = await _read(request)
    flow_id = form.get("flow") or ""
    secret = forms.flow_secret(request, flow_id)
    from_our_own_page(request, form, secret)
    services = request.app[SERVICES]
    await _same_person(
        request, await _there(request, await services.store.read_consent_page(flow_id, secret))
    )
    # Taken only now, from who may answer; of many answers one wins.
    pending = await _there(request, await services.store.take_consent_page(flow_id, secret))
    with flow.told_to(pending.asked):
        if form.get("answer") != "allow":
            _log(services, pending, "refused", "denied")
            if pending.asked.device is not None:
                client = await flow.client_of(services, pending.asked)
                return await device_answers.denied(request, pending.asked, client, pending.context.subject)
            raise AccessDenied("The request was denied.", reason="consent_denied")
        response = await _allow(request, pending, chosen)
    request.app[flow.JAR].drop_flow(response, flow_id)
    return response


async def not_you(request: web.Request) -> web.Response:
    """GET /not-you: leave the session aside and sign in as somebody else."""
    flow_id = http.read_query(request).get("flow") or ""
    secret = forms.flow_secret(request, flow_id)
    pending = await _there(request, await request.app[SERVICES].store.take_consent_page(flow_id, secret))
    with flow.told_to(pending.asked):
        asked = flow.asking_again(pending.asked)
        return await flow.wait_for_get(request, asked)


async def _allow(request: web.Request, pending: PendingConsent, chosen: frozenset[str]) -> web.Response:
    services, client_id = request.app[SERVICES], pending.asked.client_id
    ticked = consent.ticked(pending.to_ask, chosen, services.scopes)
    now, lives = services.now(), services.config.lifetimes.consent
    fresh = _fresh(request, pending, now, lives)

    def answered(before: Consent | None) -> Consent:
        still = before if before is not None and now < before.expires_at else None
        return consent.remember(still, consent.asked_at(pending), granted=ticked, fresh=fresh)

    given = await services.store.change_consent(pending.context.subject, client_id, answered, lives)
    _log(services, pending, "ok", "")
    who = flow.SignedIn(context=pending.context, sid=pending.sid)
    # What was granted before the page was shown may have been taken back since, at one of the places too.
    client = await flow.client_of(services, pending.asked)
    where = consent.places(pending.asked, client, services.scopes, services.rules.resources)
    stands = consent.standing(given, where)
    granted = tuple(name for name in (*pending.granted, *ticked) if name in stands)
    return await flow.issue(request, pending.asked, who, granted, given)


def _fresh(request: web.Request, pending: PendingConsent, now: float, lives: float) -> Consent:
    """A consent to nothing yet, with the words by which it is asked about and the names of the APIs."""
    services, words = request.app[SERVICES], _words(request, pending, now)
    known, asked_at, name = services.rules.resources, consent.asked_at(pending), services.fresh_name()
    at = {
        uri: ConsentAt(
            id=name,
            name=known[uri].name if uri in known else uri,
            granted=(),
            since=now,
            words={name: words[name] for name in names},
        )
        for uri, names in asked_at.items()
        if uri != consent.ITSELF
    }
    return Consent(
        id=name,
        client_id=pending.asked.client_id,
        granted=(),
        since=now,
        last_used=now,
        expires_at=now + lives,
        words={name: words[name] for name in asked_at.get(consent.ITSELF, ())},
        at=at,
    )


def _words(request: web.Request, pending: PendingConsent, now: float) -> Mapping[str, Worded]:
    """How each scope was asked about: in the language of the page, which is that of the answer."""
    services = request.app[SERVICES]
    language = services.pages.language_of(speaking.wanted(request))
    said = {name: scopes.in_words(name, services.scopes) for name in pending.to_ask}
    return {
        name: Worded(sentence=services.pages.said(sentence, language), language=language, at=now)
        for name, sentence in said.items()
    }


async def _there(request: web.Request, pending: PendingConsent | None) -> PendingConsent:
    """The transaction, if it is still there and its client app is.

    Raises:
        Shown: it was answered, has expired, or the app or its redirect_uri is gone since.
    """
    if pending is None:
        raise Shown("consent_gone", detail="answered before, or expired")
    request[about.CORRELATION] = pending.asked.correlation_id
    speaking.as_asked(request, pending.asked.ui_locales)
    await flow.client_of(request.app[SERVICES], pending.asked)
    return pending


async def _same_person(request: web.Request, pending: PendingConsent) -> None:
    """That nobody has signed out, and nobody else in, since the page was made."""
    session = await flow.signed_in(request)
    # Who signed out and in again has another session, and a grant of the one before could not be used.
    if session is None or (session.context.subject, session.sid) != (pending.context.subject, pending.sid):
        raise Shown("sign_in_changed", status=403, detail="somebody else is signed in, or nobody, or anew")


async def _read(request: web.Request) -> tuple[Params, frozenset[str]]:
    """The form, and the boxes that are ticked: the one field that comes many times."""
    try:
        pairs = await http.read_pairs(request, most=_MOST_BOXES)
        form = Params.of((n, v) for n, v in pairs if n != "scope").without_repeats()
    except InvalidRequest as error:
        raise Shown("forbidden", status=403, detail=error.reason) from error
    return form, frozenset(value for name, value in pairs if name == "scope")


async def _view(services: Services, pending: PendingConsent, flow_id: str, csrf: str) -> ConsentView:
    asked, rules = pending.asked, services.scopes
    client = await flow.client_of(services, asked)
    lines = tuple(_line(name, services) for name in pending.to_ask)
    return ConsentView(
        client_name=client.client_name,
        client_host=_host(asked.reply_to.redirect_uri),
        client_logo=services.picture(client),
        client_id=client.client_id,
        on_this_device=redirects.cannot_be_proved(asked.reply_to.redirect_uri),
        registered_itself=client.registered_itself,
        person=person_in_words(pending.context),
        not_you_url=services.at(f"{flow.NOT_YOU}?flow={flow_id}"),
        action=services.at(flow.CONSENT),
        csrf=csrf,
        flow=flow_id,
        scopes=lines,
        details=_details(services, pending),
        resources=_resources(services, pending),
        already=tuple(scopes.in_words(name, rules) for name in pending.granted),
        account_url=services.at(flow.ACCOUNT),
    )


def _for_device(
    services: Services, view: ConsentView, waiting: DeviceRequest, which: ForDevice
) -> DeviceConfirmView:
    """The same question, with what tells the person's own device from another's (RFC 8628 §5.4)."""
    return DeviceConfirmView(
        client_name=view.client_name,
        client_logo=view.client_logo,
        client_id=waiting.client_id,
        user_code=device.shown(waiting.user_code),
        from_link=which.from_link,
        asked_from=waiting.address,
        minutes_ago=int(services.now() - waiting.asked_at) // 60,
        person=view.person,
        not_you_url=view.not_you_url,
        action=view.action,
        csrf=view.csrf,
        fields=(("flow", view.flow),),
        scopes=view.scopes,
        details=view.details,
        resources=view.resources,
        already=view.already,
        registered_itself=view.registered_itself,
        account_url=view.account_url,
    )


def _details(services: Services, pending: PendingConsent) -> tuple[Detail, ...]:
    """What is asked in particular (RFC 9396 §2), every value of it."""
    types = services.rules.detail_types
    said = [authorization_details.in_words(one, types) for one in pending.asked.authorization_details]
    return tuple(Detail(title=one.title, lines=one.lines) for one in said)


def _resources(services: Services, pending: PendingConsent) -> tuple[str, ...]:
    """The APIs that were named, in words where somebody gave them any."""
    known = services.rules.resources
    return tuple(known[uri].name if uri in known else uri for uri in pending.asked.resources)


def _line(name: str, services: Services) -> ScopeLine:
    rule = scopes.rule_for(name, services.scopes)
    sensitive = rule is not None and rule.sensitive
    return ScopeLine(
        name=name,
        sentence=scopes.in_words(name, services.scopes),
        optional=consent.may_refuse(name, services.scopes),
        ticked=not sensitive,
        sensitive=sensitive,
    )


def _host(redirect_uri: str) -> str:
    split = urlsplit(redirect_uri)
    return split.netloc or f"{split.scheme}:"


def _log(services: Services, pending: PendingConsent, outcome: str, reason: str) -> None:
    services.events.emit(
        "consent",
        outcome,
        reason=reason,
        client_id=pending.asked.client_id,
        subject=pending.context.subject,
        connector=pending.context.connector,
        correlation_id=pending.asked.correlation_id,
    )
