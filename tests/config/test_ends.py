"""Where an app hears of a session's end: what may be written, and every mistake told at its place."""

import pytest

from tests.config.desk import SOUND, TYPE, Desk

HTTPS = "must be https; http is only for 127.0.0.1, [::1] and localhost"
ORIGIN = "must be on the scheme, host and port of one of its redirect_uris"


def with_keys(*lines: str) -> str:
    return SOUND + "".join(f"    {line}\n" for line in lines)


def test_all_keys_are_read(desk: Desk) -> None:
    client = desk.load(
        with_keys(
            "backchannel_logout_uri: https://elsewhere.example/out",
            "backchannel_logout_session_required: true",
            "frontchannel_logout_uri: https://billing.acme.example/frame?a=b",
            "frontchannel_logout_session_required: true",
            "revoke_on_logout: true",
            "initiate_login_uri: https://billing.acme.example/login",
        )
    ).clients_by_id["billing"]
    assert client.backchannel_logout_uri == "https://elsewhere.example/out"
    assert client.frontchannel_logout_uri == "https://billing.acme.example/frame?a=b"
    assert client.initiate_login_uri == "https://billing.acme.example/login"
    assert client.backchannel_logout_session_required
    assert client.frontchannel_logout_session_required
    assert client.revoke_on_logout


def test_without_them_nothing_is_told_and_nothing_more_is_revoked(desk: Desk) -> None:
    client = desk.load(SOUND).clients_by_id["billing"]
    assert (client.backchannel_logout_uri, client.frontchannel_logout_uri) == (None, None)
    assert not client.revoke_on_logout


@pytest.mark.standard("OpenID Front-Channel Logout", "§2 on the origin of a redirect_uri")
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.2 no fragment, https")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("backchannel_logout_uri: http://billing.acme.example/out", HTTPS),
        ("backchannel_logout_uri: https://billing.acme.example/out#x", "must not have a fragment"),
        ("backchannel_logout_uri: javascript:alert(1)", "javascript: must never be redirected to"),
        (
            "backchannel_logout_uri: 'https://u:p@billing.acme.example/'",
            "must not hold a user name or password",
        ),
        ("frontchannel_logout_uri: https://other.acme.example/frame", ORIGIN),
        ("frontchannel_logout_uri: https://billing.acme.example:8443/frame", ORIGIN),
        ("initiate_login_uri: /login", "must be absolute, such as https://app.example/callback"),
        ("backchannel_logout_session_required: true", "says nothing without backchannel_logout_uri"),
        ("frontchannel_logout_session_required: true", "says nothing without frontchannel_logout_uri"),
    ],
)
def test_each_mistake_is_told_where_it_stands(desk: Desk, line: str, said: str) -> None:
    key, value = line.split(": ", 1)
    column = 5 + len(key) + 2
    assert desk.mistakes(with_keys(line)) == [f"broker.yaml:13:{column}: clients.billing.{key}: {said}"]
    assert value


@pytest.mark.parametrize("word", ["offer", "always", "never"])
def test_an_upstream_without_a_way_out_offers_none(desk: Desk, word: str) -> None:
    entry = f"    type: {TYPE}\n    upstream_logout: {word}\n"
    mistakes = desk.mistakes(SOUND.replace(f"    type: {TYPE}\n", entry))
    assert bool(mistakes) == (word != "never")
    assert all(
        "upstream_logout: nobody can be signed out at an upstream of type" in line for line in mistakes
    )
