"""The connector `ldap` against a real OpenLDAP."""

from __future__ import annotations

import pytest

from broker.connector import Question, Secret, UpstreamIdentity, UpstreamInvalid, UpstreamUnavailable
from connectors.ldap import Connector, Settings
from tests.connectors.desk import LOGIN, Desk
from tests.fakes.provider import FakeProvider
from tests.flow.broker import claims, running_broker
from tests.flow.own_logins import only, type_in
from tests.flow.own_logins import sign_in as log_in
from tests.interop.directory import BASE, BIND_DN, BIND_PASSWORD, SLAPD, directory

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(SLAPD is None, reason="no slapd here: install Debian's package slapd"),
]
OPENLDAP = "OpenLDAP 2.5"
USERS = {
    "base_dn": f"ou=people,{BASE}",
    "filter": "(&(objectClass=inetOrgPerson)(!(employeeType=former)))",
    "username_attribute": ["uid", "mail"],
    "attributes": ["cn", "mail", "givenName", "SN"],
}
GROUPS = {"base_dn": f"ou=groups,{BASE}"}


@pytest.fixture
async def served(tmp_path):
    async with directory(tmp_path, teams=450) as found:
        yield found


def made(served, **changes):
    written = {
        "url": served.tls,
        "ca": str(served.ca),
        "bind_dn": BIND_DN,
        "bind_password": BIND_PASSWORD,
        "user_search": USERS,
    } | changes
    settings = Settings.model_validate({name: value for name, value in written.items() if value is not None})
    return Connector(settings, Desk({}, {}).tools)


async def sign_in(connector, username, password):
    fields = {"username": Secret(username), "password": Secret(password)}
    return await connector.answer(LOGIN, fields, {})


@pytest.mark.proves("ldap", "a bind over ldaps, and the entry's attributes", against=OPENLDAP)
@pytest.mark.proves("ldap", "entryUUID as the key of a person, never the DN", against=OPENLDAP)
async def test_a_person_signs_in_over_tls(served):
    identity = await sign_in(made(served), "ada", "ada's password")
    assert isinstance(identity, UpstreamIdentity)
    assert len(identity.subject) == 36
    assert identity.subject.count("-") == 4
    assert identity.api["cn"] == "Ada Example"
    assert identity.api["SN"] == "Example"
    assert sorted(identity.api["mail"]) == ["a.example@acme.example", "ada@acme.example"]
    assert identity.api["email"] in identity.api["mail"]
    assert identity.api["email_verified"] is False
    trusted = await sign_in(made(served, trust_email=True), "ada", "ada's password")
    assert trusted.api["email_verified"] is True
    assert identity.amr == ("pwd",)
    assert identity.auth_time == 1_700_000_100
    assert "userPassword" not in str(identity)


@pytest.mark.proves("ldap", "StartTLS", against=OPENLDAP)
async def test_a_person_signs_in_over_start_tls(served):
    plain = served.plain.replace("127.0.0.1", "localhost")
    identity = await sign_in(made(served, url=plain, start_tls=True), "ada@acme.example", "ada's password")
    assert isinstance(identity, UpstreamIdentity)


@pytest.mark.proves("ldap", "wrong, empty and unknown: one answer", against=OPENLDAP)
@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "wrong"),
        ("ada", ""),
        ("ada", "\0"),
        ("ada", "\x01"),
        ("ada", "\u00ad"),
        ("nobody", "\u0627a"),
        ("", "ada's password"),
        ("nobody", "ada's password"),
        ("left", "left's password"),
    ],
)
async def test_who_is_not_known_or_brings_another_password_is_told_the_same(served, username, password):
    answered = await sign_in(made(served), username, password)
    assert answered == Question(kind="password", wrong=True)


@pytest.mark.row("DS-15")
@pytest.mark.proves("ldap", "a password that cannot be one is a wrong one, and counts", against=OPENLDAP)
async def test_a_password_that_cannot_be_prepared_is_an_attempt_like_others(served, store_config, tmp_path):
    entry = {
        "type": "ldap",
        "name": "Acme account",
        "url": served.tls,
        "ca": str(served.ca),
        "bind_dn": BIND_DN,
        "bind_password": BIND_PASSWORD,
        "user_search": USERS,
    }
    async with (
        FakeProvider.running() as idp,
        running_broker(idp, store_config, tmp_path, **only(entry)) as broker,
        broker.browser() as browser,
    ):
        page, statuses = await browser.authorize(), []
        # However the name is written by which the directory finds one and the same person.
        for username in ("ada", "ada\t", "\tada", "ada\u00a0", "ada\t\t", "ADA") * 2:
            page = await type_in(browser, page, username=username, password="\x01")
            statuses.append(page.status)
    assert statuses == [422] * 10 + [429] * 2


@pytest.mark.proves("ldap", "filter injection (RFC 4515)", against=OPENLDAP)
@pytest.mark.parametrize(
    "username",
    ["*", "a*", "ada)(uid=*", "ada)(|(uid=*", "*)(uid=*))(|(uid=*", "ad\\61", "ada\0", "uid=ada", "(ada)"],
)
async def test_what_is_typed_is_a_value_and_never_a_part_of_the_filter(served, username):
    assert await sign_in(made(served), username, "ada's password") == Question(kind="password", wrong=True)


async def test_a_name_full_of_special_characters_can_sign_in(served):
    users = USERS | {"username_attribute": ["cn"]}
    identity = await sign_in(
        made(served, user_search=users, group_search=GROUPS), "Bob + Co, (Ltd) *", "bob's password"
    )
    assert isinstance(identity, UpstreamIdentity)
    assert identity.api["SN"] == "Müller"
    assert identity.api["groups"] == ["admins"]


@pytest.mark.proves("ldap", "two entries of one name sign in nobody", against=OPENLDAP)
async def test_of_two_entries_nobody_signs_in(served):
    with pytest.raises(UpstreamInvalid, match="more than one"):
        await sign_in(made(served), "shared@acme.example", "twins")


@pytest.mark.proves("ldap", "groups, paged and nested, by DN or by uid", against=OPENLDAP)
async def test_groups_are_read_to_their_end(served):
    identity = await sign_in(made(served, group_search=GROUPS | {"nested": True}), "ada", "ada's password")
    assert set(identity.api["groups"]) == {"admins", "everybody", *(f"team-{n}" for n in range(450))}
    direct = await sign_in(made(served, group_search=GROUPS), "ada", "ada's password")
    assert "everybody" not in direct.api["groups"]
    assert len(direct.api["groups"]) == 451
    posix = GROUPS | {
        "filter": "(objectClass=posixGroup)",
        "member_attribute": "memberUid",
        "user_attribute": "uid",
    }
    by_uid = await sign_in(made(served, group_search=posix), "ada", "ada's password")
    assert by_uid.api["groups"] == ["posix"]
    assert "uid" not in by_uid.api


@pytest.mark.proves("ldap", "a certificate that is not trusted, or another host's", against=OPENLDAP)
# The library leaves the socket of a server that did not prove its name to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_password_goes_only_to_a_server_that_proves_its_name(served, tmp_path):
    for changes in (
        {"ca": None},
        {"url": served.tls.replace("localhost", "127.1")},  # the same machine, by a name it does not prove
    ):
        with pytest.raises(UpstreamUnavailable, match=r"LDAPSocketOpenError|LDAPCertificateError"):
            await sign_in(made(served, **changes), "ada", "ada's password")


@pytest.mark.proves("ldap", "the next server where the first is away", against=OPENLDAP)
async def test_the_next_server_is_asked_where_one_is_away(served):
    urls = ["ldaps://localhost:1", served.tls]
    assert isinstance(await sign_in(made(served, url=urls), "ada", "ada's password"), UpstreamIdentity)
    with pytest.raises(UpstreamUnavailable):
        await made(served, url=["ldaps://localhost:1"]).ping()


async def test_a_ping_says_whether_we_may_look(served):
    await made(served).ping()
    with pytest.raises(UpstreamInvalid, match="invalidCredentials"):
        await made(served, bind_password="wrong").ping()


@pytest.mark.proves("ldap", "a probe: connection, bind, people", against=OPENLDAP)
async def test_a_probe_says_what_works_and_what_does_not(served):
    async def found(**changes):
        return [(one.what, one.good) for one in await made(served, **changes).probe()]

    assert await found() == [("connection and bind", True), ("people", True)]
    assert await found(bind_password="wrong") == [("bind", False)]
    assert await found(url="ldaps://localhost:1") == [("connection", False)]
    nobody = USERS | {"filter": "(objectClass=device)"}
    assert await found(user_search=nobody) == [("connection and bind", True), ("people", False)]
    assert await found(user_search=USERS | {"id_attribute": "objectGUID"}) == [("people", False)]


@pytest.mark.proves("ldap", "asked again at a refresh: new groups, and nobody who left", against=OPENLDAP)
async def test_at_a_refresh_the_entry_is_read_again(served):
    connector = made(served, group_search=GROUPS)
    identity = await sign_in(connector, "ada", "ada's password")
    again = await connector.refresh(identity.keep)
    assert (again.subject, again.api) == (identity.subject, identity.api)
    former = USERS | {"filter": "(&(objectClass=inetOrgPerson)(employeeType=former))"}
    with pytest.raises(Exception, match="gone"):
        await made(served, user_search=former).refresh(identity.keep)


@pytest.mark.proves("ldap", "a whole login on our page, from the app to its claims", against=OPENLDAP)
async def test_a_whole_login_on_our_page(served, store_config, tmp_path):
    entry = {
        "type": "ldap",
        "name": "Acme account",
        "url": served.tls,
        "ca": str(served.ca),
        "bind_dn": BIND_DN,
        "bind_password": BIND_PASSWORD,
        "trust_email": True,
        "user_search": USERS,
        "group_search": GROUPS | {"filter": "(&(objectClass=groupOfNames)(cn=admins))"},
        "upstream_refresh": "always",
    }
    client = {"trusted": True, "id_token_claims": True}
    async with (
        FakeProvider.running() as idp,
        running_broker(idp, store_config, tmp_path, **only(entry, client=client)) as broker,
        broker.browser() as browser,
    ):
        wrong = await log_in(browser, "ada", "wrong", scope="openid profile email groups offline_access")
        assert wrong.status == 422
        landed = await type_in(browser, wrong, username="ada", password="ada's password")
        _, tokens = await browser.token(landed.code)
        said = claims(tokens["id_token"])
        assert (said["name"], said["groups"], said["amr"]) == ("Ada Example", ["admins"], ["pwd"])
        assert said["email_verified"] is True
        status, renewed = await browser.refresh(tokens["refresh_token"])
        assert (status, claims(renewed["id_token"])["sub"]) == (200, said["sub"])
