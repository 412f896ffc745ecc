"""What an operator writes about a directory: what would send passwords in the clear is refused."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pydantic import ValidationError

from broker.connector import Question, Secret, UpstreamInvalid, UpstreamUnavailable
from connectors import ldap, ldap_directory
from connectors.ldap_directory import Directory, UserSearch
from connectors.ldap_text import escaped, escaped_id
from tests.connectors.desk import LOGIN, Desk

SOUND = {"url": "ldaps://ldap.acme.example", "user_search": {"base_dn": "dc=acme,dc=example"}}


def test_the_least_that_is_needed():
    settings = ldap.Settings.model_validate(SOUND)
    assert settings.user_search.id_attribute == "entryUUID"
    assert settings.trust_email is False


@pytest.mark.proves("ldap", "no password unencrypted through a network, unless a key says so")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ldap://ldap.acme.example"}, "would send passwords unencrypted"),
        ({"url": ["ldaps://a.example", "ldap://b.example"]}, "would send passwords unencrypted"),
        ({"start_tls": True}, "start_tls is for ldap:// only"),
        ({"url": "https://ldap.acme.example"}, "is no ldaps:// or ldap:// URL"),
        ({"url": "ldaps://cn=x:y@ldap.acme.example"}, "must have nothing after the host and port"),
        ({"url": "ldaps://ldap.acme.example/dc=acme"}, "must have nothing after the host and port"),
        ({"url": []}, "at least 1 item"),
        ({"bind_dn": "cn=broker"}, "bind_dn and bind_password belong together"),
        ({"bind_password": "x"}, "bind_dn and bind_password belong together"),
        ({"user_search": {"base_dn": "x", "filter": "objectClass=*"}}, "no filter in parentheses"),
        ({"user_search": {"base_dn": "x", "filter": "((uid=*)"}}, "no filter in parentheses"),
        ({"user_search": {"base_dn": "x", "username_attribute": "uid)(x"}}, "match pattern"),
        ({"user_search": {"base_dn": "x", "id_atribute": "uid"}}, "Extra inputs"),
    ],
)
def test_a_mistake_is_told(changes, said):
    with pytest.raises(ValidationError, match=said.replace("(", r"\(").replace(")", r"\)")):
        ldap.Settings.model_validate(SOUND | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ldap://ldap.acme.example", "start_tls": True},
        {"url": "ldap://ldap.acme.example", "insecure_plain_text": True},
        {"url": "ldap://127.0.0.1:3389"},
        {"url": "ldap://localhost"},
    ],
)
def test_what_is_encrypted_near_or_says_what_it_is_may_be(changes):
    ldap.Settings.model_validate(SOUND | changes)


def test_without_the_extra_the_operator_hears_what_to_install(monkeypatch):
    monkeypatch.setattr(ldap, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"pip install 'federation-broker\[ldap\]'"):
        ldap.Settings.model_validate(SOUND)


def test_a_guid_of_active_directory_is_one_text_and_found_again_by_its_octets():
    octets = bytes(range(16))
    searched = UserSearch(
        base_dn="dc=x",
        filter="(uid=*)",
        username_attribute=("uid",),
        scope="subtree",
        id_attribute="objectGUID",
        email_attribute="mail",
        attributes=("cn",),
    )
    directory = Directory(
        urls=(),
        start_tls=False,
        ca=None,
        bind_dn=None,
        bind_password=None,
        users=searched,
        groups=None,
        timeout=1,
    )
    found = directory._id_of({"objectguid": [octets]})
    assert found == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    assert escaped_id(found, True) == "".join(f"\\{octet:02x}" for octet in octets)
    for raw in ({}, {"objectGUID": []}, {"objectGUID": [b"short"]}, {"objectGUID": [octets, octets]}):
        with pytest.raises(UpstreamInvalid):
            directory._id_of(raw)


@pytest.mark.parametrize("typed", ["*", "a)(b", "\\", "\0", "ü", "(&)"])
def test_nothing_that_is_typed_means_anything_in_a_filter(typed):
    assert set(escaped(typed)) <= set("\\0123456789abcdef")


# ── A directory that hangs ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("DS-18")
@pytest.mark.proves("ldap", "a directory that hangs holds up nothing else, and no endless row waits for it")
async def test_a_directory_that_hangs_holds_up_nobody_else(monkeypatch):
    connector = ldap.Connector(ldap.Settings.model_validate(SOUND), Desk({}, {}).tools)
    hangs = threading.Event()
    monkeypatch.setattr(Directory, "sign_in", lambda *_: hangs.wait() and None)
    fields = {"username": Secret("ada"), "password": Secret("x")}
    try:
        asking = [asyncio.create_task(connector.answer(LOGIN, fields, {})) for _ in range(100)]
        _done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_EXCEPTION)
        assert await asyncio.to_thread(lambda: "at once") == "at once"
        await asyncio.sleep(0)
        refused = [task for task in asking if task.done()]
        assert len(refused) == 36
        assert all(isinstance(task.exception(), UpstreamUnavailable) for task in refused)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        # Sixteen threads are still at it, though nobody waits for them.
        more = [asyncio.create_task(connector.answer(LOGIN, fields, {})) for _ in range(49)]
        await asyncio.wait(more, return_when=asyncio.FIRST_EXCEPTION)
        assert sum(task.done() for task in more) == 1
    finally:
        hangs.set()
    answers = await asyncio.gather(*more, return_exceptions=True)
    assert sum(answer == Question(kind="password", wrong=True) for answer in answers) == 48


@pytest.mark.parametrize("result", [48, 50])
def test_an_account_that_cannot_sign_in_is_told_like_a_wrong_password(result):
    """Directories say so of entries without a password: an answer of its own would tell who exists."""
    assert result in ldap_directory._NOT_THEIRS


def test_an_entry_without_a_name_is_nobody():
    directory = ldap.Connector(ldap.Settings.model_validate(SOUND), Desk({}, {}).tools)._directory
    assert directory._is_theirs("", Secret("anything")) is False
