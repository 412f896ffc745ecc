"""Every page as an ordinary person would meet it, and as the worst day would have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from broker.pages import (
    AccountView,
    ApiLine,
    BounceView,
    Choice,
    ChooserView,
    ConsentView,
    DepartureView,
    Detail,
    DeviceCodeView,
    DeviceConfirmView,
    DeviceDoneView,
    ErrorView,
    Forget,
    FormPostView,
    GrantLine,
    LeavingView,
    LoginView,
    OnwardView,
    ScopeLine,
    Search,
    SessionLine,
    SignedOutView,
    SignOutView,
    View,
)

LONG_NAME = "The Interdepartmental Purchase-Order Reconciliation Workbench"[:60]
LONG_WORD = "Rechnungslegungsvorschriftenänderungsverordnungsverwaltung42"
LONG_EMAIL = "bartholomew.featherstonehaugh-cholmondeley@research-and-development.subsidiary.acme.example"
JANUARY = 1_767_600_000.0
HANDLE = "q8JdX1kVv0yVbA7s2mM4m3T1p5nNQe6cW9rYkZtHs0A"

CHOICES = (
    Choice(url="/choose?flow=x&to=staff", name="Acme staff", icon="company", last_used=True),
    Choice(url="/choose?flow=x&to=partners", name="Partner login", icon="oidc"),
    Choice(url="/choose?flow=x&to=school", name="University", icon="school"),
    Choice(url="/choose?flow=x&to=plain", name="Contractors"),
)
MANY = CHOICES + tuple(
    Choice(url=f"/choose?to={kind}", name=name, icon=kind)
    for kind, name in {
        "auth0": "Customers",
        "okta": "Northwind",
        "keycloak": "Field offices",
        "people": "Volunteers",
        "mail": "Link by e-mail",
        "key": "Security key",
    }.items()
)

TEN_CHOICES = tuple(
    Choice(
        url=f"?flow={HANDLE}&connector=company-{n}",
        name=f"Company number {n}",
        icon="oidc",
        last_used=n == 0,
    )
    for n in range(10)
)
SEARCH = Search(action="/continue", flow=HANDLE, by_address=True)
MORE = replace(SEARCH, more=True)
FOUND = replace(SEARCH, query="north", all_url=f"/continue?flow={HANDLE}&show=all")
FORGET = Forget(action="/continue/forget", csrf=HANDLE, flow=HANDLE)

SCOPES = (
    ScopeLine(name="profile", sentence="See your name and picture", optional=False),
    ScopeLine(name="email", sentence="See your e-mail address"),
    ScopeLine(name="invoices.read", sentence="Read your invoices"),
    ScopeLine(name="invoices.pay", sentence="Pay invoices in your name", sensitive=True),
)
TWELVE = tuple(
    ScopeLine(
        name=f"s{n}",
        sentence=f"{n}. {sentence}",
        optional=n % 5 != 0,
        sensitive=n % 4 == 0,
        ticked=n % 3 != 0,
    )
    for n, sentence in enumerate(
        (
            "See your name and picture",
            "Read your invoices, credit notes, reminders and the conversations about them",
            LONG_WORD,
        )
        * 4
    )
)

CONSENT = ConsentView(
    client_name="Billing",
    client_host="billing.acme.example",
    person="ada@acme.example",
    not_you_url="/authorize/again?flow=x",
    action="/consent",
    csrf=HANDLE,
    flow=HANDLE,
    scopes=SCOPES,
    already=("Know that it is you", "Keep its access while you are away"),
    account_url="/account",
)

SESSIONS = (
    SessionLine(
        sid="a",
        browser="Firefox",
        system="Linux",
        way="Acme staff",
        since=JANUARY + 86_400 * 41,
        last_used=JANUARY + 86_400 * 42,
        here=True,
    ),
    SessionLine(
        sid="b", browser="Safari", system="iPhone", way="Acme staff", since=JANUARY, last_used=JANUARY + 60
    ),
    SessionLine(
        sid="c", way="Partner login", since=JANUARY + 86_400 * 41.9, last_used=JANUARY + 86_400 * 41.96
    ),
    SessionLine(sid="d", system="Windows", way="Partner login", since=JANUARY, last_used=JANUARY),
)
GRANTS = AccountView(
    person="ada@acme.example",
    now=JANUARY + 86_400 * 42,
    sessions=SESSIONS,
    grants=(
        GrantLine(
            client_id="billing",
            client_name="Billing",
            sentences=("See your name and picture", "Read your invoices"),
            since=JANUARY,
            last_used=JANUARY + 86_400 * 40,
            receipt_url="/account/receipt?client_id=billing",
        ),
        GrantLine(
            client_id="maps", client_name="Field maps", sentences=("Know where you are",), since=JANUARY
        ),
    ),
    csrf=HANDLE,
    withdraw_action="/account/withdraw",
    sign_out_action="/account/sign-out",
    end_action="/account/end",
    everywhere_action="/account/sign-out-everywhere",
    receipts_url="/account/receipts",
)

AT_APIS = (
    ApiLine(uri="https://ledger.example", name="Ledger", sentences=("Read your invoices",)),
    ApiLine(uri="https://workbench.example", name=LONG_NAME),
)

ERROR = ErrorView(message="upstream_refused", correlation_id="7KQ4-M2XP-9TBD", back_url="/account")

FIELDS = (("code", HANDLE), ("state", 'a"b<c>&d'), ("iss", "https://login.acme.example"))

LOGIN = LoginView(
    client_name="Billing",
    connector_name="Acme staff",
    action="/login/staff",
    csrf=HANDLE,
    state=HANDLE,
    other_url="/login/staff/other?state=x",
)
CODE = replace(LOGIN, kind="one_time_code")

DETAILS = (
    Detail(title="Send 30.00 EUR", lines=("To Merchant Ltd, DE02 1001 0010 9307 1182 03", "Once, on 12 May")),
    Detail(title="See the balance of your account"),
)
DEVICE_CODE = DeviceCodeView(action="/device", csrf=HANDLE)
DEVICE = DeviceConfirmView(
    client_name="Television",
    user_code="WDJB-MJHT",
    asked_from="192.0.2.17",
    minutes_ago=2,
    person="ada@acme.example",
    not_you_url="/device/not-you?flow=x",
    action="/device/confirm",
    csrf=HANDLE,
    fields=(("flow", HANDLE),),
    scopes=SCOPES,
    account_url="/account",
)
SIGN_OUT = SignOutView(
    client_name="Billing",
    person="ada@acme.example",
    action="/logout",
    csrf=HANDLE,
    fields=(("flow", HANDLE),),
)
SIGNED_OUT_OF = SignedOutView(
    client_name="Billing",
    upstream="Acme staff",
    ended=("Billing", "Field maps"),
    open=("Wiki",),
    onward_url="https://billing.acme.example/bye?state=x",
)
FRAMED = replace(
    SIGNED_OUT_OF,
    frames=(
        "https://billing.acme.example/out?sid=x",
        "http://127.0.0.1:8081/out",
        "https://billing.acme.example/2",
    ),
)
"""Not among the others: it asks other hosts."""

LOGOUT = (
    "https://sso.acme.example/logout?client_id=broker&post_logout_redirect_uri=https%3A%2F%2Fx%2Fsigned-out"
)

ORDINARY: Mapping[str, View] = {
    "chooser": ChooserView(client_name="Billing", choices=CHOICES),
    "chooser-many": ChooserView(client_name="Billing", choices=MANY, search=SEARCH),
    "chooser-more": ChooserView(client_name="Billing", choices=TEN_CHOICES, search=MORE, forget=FORGET),
    "chooser-found": ChooserView(client_name="Billing", choices=MANY[4:6], search=FOUND),
    "chooser-nothing": ChooserView(client_name="Billing", choices=(), search=replace(FOUND, query="zebra")),
    "chooser-narrowed": ChooserView(
        client_name="Billing", choices=CHOICES[1:3], search=replace(FOUND, field=False, query="")
    ),
    "chooser-away": ChooserView(
        client_name="Billing",
        choices=(replace(CHOICES[0], unavailable=True), replace(CHOICES[1], unavailable=True), *CHOICES[2:]),
        forget=FORGET,
    ),
    "onward": OnwardView(url="/continue?flow=x&connector=school", name="University"),
    "login": LOGIN,
    "login-hinted": replace(LOGIN, username="ada", other_url=None),
    "login-wrong": replace(LOGIN, username="ada", problem="wrong", status=422),
    "login-incomplete": replace(LOGIN, problem="incomplete", status=422),
    "login-too-many": replace(LOGIN, username="ada", problem="too_many", minutes=14, status=429),
    "login-away": replace(LOGIN, username="ada", problem="away", status=503),
    "code": CODE,
    "code-wrong": replace(CODE, problem="wrong", status=422),
    "code-incomplete": replace(CODE, problem="incomplete", status=422),
    "consent": CONSENT,
    "consent-device": replace(CONSENT, client_host="com.acme.billing", on_this_device=True, already=()),
    "consent-details": replace(CONSENT, details=DETAILS, registered_itself=True),
    "device-code": DEVICE_CODE,
    "device-code-wrong": replace(DEVICE_CODE, user_code="WDJB-MJHX", problem="wrong", status=422),
    "device-code-incomplete": replace(DEVICE_CODE, problem="incomplete", status=422),
    "device-code-too-many": replace(DEVICE_CODE, problem="too_many", minutes=3, status=429),
    "device-confirm": DEVICE,
    "device-confirm-link": replace(
        DEVICE, from_link=True, minutes_ago=0, details=DETAILS, registered_itself=True
    ),
    "device-allowed": DeviceDoneView(client_name="Television", allowed=True, account_url="/account"),
    "device-denied": DeviceDoneView(client_name="Television", allowed=False),
    "error": ERROR,
    "error-bare": ErrorView(message="unknown_client", correlation_id="7KQ4-M2XP-9TBD"),
    "grants": GRANTS,
    "grants-withdrawn": replace(GRANTS, withdrawn="Billing", grants=GRANTS.grants[1:]),
    "grants-remembered": replace(
        GRANTS, remembered="Acme staff", forget=Forget(action="/account/forget", csrf=HANDLE)
    ),
    "grants-ended": replace(GRANTS, ended=True, sessions=SESSIONS[:1]),
    "grants-at-apis": replace(
        GRANTS, sessions=SESSIONS[:2], grants=(replace(GRANTS.grants[0], sentences=(), apis=AT_APIS),)
    ),
    "grants-withdrawn-at": replace(
        GRANTS,
        withdrawn="Billing",
        withdrawn_at="Ledger",
        grants=(replace(GRANTS.grants[0], apis=AT_APIS[1:]),),
    ),
    "grants-none": replace(GRANTS, grants=(), sessions=SESSIONS[:2]),
    "sign-out": SIGN_OUT,
    "sign-out-nobody-known": replace(SIGN_OUT, client_name=None),
    "signed-out-stayed": SignedOutView(stayed=True, account_url="/account"),
    "signed-out-stayed-app": replace(SIGNED_OUT_OF, stayed=True),
    "signed-out-of": SIGNED_OUT_OF,
    "signed-out-apps": replace(SIGNED_OUT_OF, onward_url=None),
    "signed-out-everywhere": replace(
        SIGNED_OUT_OF, everywhere=True, upstream_url="https://sso.acme.example/logout", open=()
    ),
    "signed-out": SignedOutView(upstream="Acme staff"),
    "signed-out-bare": SignedOutView(),
    "signed-out-offered": SignedOutView(upstream="Acme staff", upstream_url=LOGOUT),
    "signed-out-there": SignedOutView(there=True),
    "signed-out-not-here": SignedOutView(there=True, account_url="/account"),
    "bounce": BounceView(action="/callback/staff", fields=FIELDS),
    "form-post": FormPostView(
        action="https://billing.acme.example/callback", fields=FIELDS, client_name="Billing"
    ),
    "departure": DepartureView(action="https://sso.acme.example/saml", fields=FIELDS, upstream="Acme staff"),
    "leaving": LeavingView(url="https://billing.acme.example/callback?code=x&state=y", client_name="Billing"),
}

WORST: Mapping[str, View] = {
    "worst-chooser": ChooserView(
        client_name=LONG_NAME,
        choices=tuple(
            replace(choice, name=name, last_used=True, unavailable=True)
            for choice, name in zip(MANY, (LONG_NAME, LONG_WORD, LONG_EMAIL) * 4, strict=False)
        ),
        search=replace(MORE, query=LONG_EMAIL, all_url=FOUND.all_url),
        forget=FORGET,
    ),
    "worst-login": replace(
        LOGIN, client_name=LONG_NAME, connector_name=LONG_WORD, username=LONG_EMAIL, problem="wrong"
    ),
    "worst-code": replace(
        CODE, client_name=LONG_WORD, connector_name=LONG_NAME, problem="too_many", minutes=1
    ),
    "worst-consent": replace(
        CONSENT,
        client_name=LONG_NAME,
        client_host="purchase-orders.reconciliation.subsidiary.research.acme.example",
        person=LONG_EMAIL,
        scopes=TWELVE,
    ),
    "worst-consent-word": replace(CONSENT, client_name=LONG_WORD, person="ا" * 70),
    "worst-error": replace(ERROR, correlation_id="7KQ4M2XP9TBD" * 4),
    "worst-grants": replace(
        GRANTS,
        sessions=tuple(replace(one, browser=LONG_WORD, way=LONG_NAME) for one in SESSIONS),
        person=LONG_EMAIL,
        withdrawn=LONG_WORD,
        grants=tuple(
            replace(line, client_name=name, sentences=(LONG_WORD, LONG_NAME))
            for line, name in zip(GRANTS.grants, (LONG_NAME, LONG_WORD), strict=True)
        ),
    ),
    "worst-sessions": replace(
        GRANTS,
        sessions=tuple(replace(SESSIONS[n % 4], sid=str(n), here=not n, way=LONG_WORD) for n in range(9)),
        grants=(replace(GRANTS.grants[0], client_name=LONG_NAME, apis=AT_APIS),),
        withdrawn=LONG_WORD,
        withdrawn_at=LONG_NAME,
    ),
    "worst-device": replace(
        DEVICE,
        client_name=LONG_WORD,
        person=LONG_EMAIL,
        asked_from="2001:db8:1234:5678:9abc:def0:1234:5678, " + LONG_NAME,
        minutes_ago=1,
        scopes=TWELVE,
        details=(Detail(title=LONG_WORD, lines=(LONG_NAME, LONG_EMAIL)),),
        registered_itself=True,
    ),
    "worst-sign-out": replace(SIGN_OUT, client_name=LONG_WORD, person=LONG_EMAIL),
    "worst-signed-out-of": replace(
        SIGNED_OUT_OF, client_name=LONG_WORD, ended=(LONG_WORD, LONG_NAME), open=(LONG_WORD, LONG_EMAIL)
    ),
    "worst-signed-out-apps": replace(
        SIGNED_OUT_OF,
        client_name=LONG_WORD,
        upstream=LONG_NAME,
        upstream_url="https://sso.acme.example/logout",
        ended=(LONG_WORD, LONG_NAME),
        open=(LONG_WORD, LONG_EMAIL),
    ),
    "worst-signed-out": SignedOutView(upstream=LONG_WORD, upstream_url=LOGOUT),
    "worst-leaving": LeavingView(url="https://billing.acme.example/", client_name=LONG_WORD),
}

ALL: Mapping[str, View] = {**ORDINARY, **WORST}
_PASSING = (BounceView, DepartureView, FormPostView, LeavingView, OnwardView)
_GOING_ON = {"signed-out-of", "worst-signed-out-of"}
STAYING = {n: view for n, view in ALL.items() if not isinstance(view, _PASSING) and n not in _GOING_ON}
"""The pages on which somebody looks around, and does not leave by itself."""
