"""Which redirect_uri a client may be answered at: byte for byte, but for one port."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.errors import Shown
from broker.protocol.redirects import cannot_be_proved, is_registered
from tests.protocol.samples import LOOPBACK, PUBLIC, ask, client, rules

PLAIN = "https://app.good.example/Callback"
WITH_QUERY = "https://app.good.example/cb?tenant=a&mode=b"
WITH_PORT = "https://app.good.example:8443/cb"
REGISTERED = (PLAIN, WITH_QUERY, WITH_PORT)

NEAR_MISSES = [
    # the path
    "https://app.good.example/Callback/",
    "https://app.good.example//Callback",
    "https://app.good.example/Callback//",
    "https://app.good.example/callback",
    "https://app.good.example/CALLBACK",
    "https://app.good.example/Callback/extra",
    "https://app.good.example/Callbac",
    "https://app.good.example/CallbackX",
    "https://app.good.example/",
    "https://app.good.example",
    "https://app.good.example/x/../Callback",
    "https://app.good.example/./Callback",
    "https://app.good.example/Callback/.",
    "https://app.good.example/Callback/..",
    "https://app.good.example/Callback/../../evil",
    "https://app.good.example/%2e%2e/Callback",
    "https://app.good.example/Callback%2f",
    "https://app.good.example/Callback%2F..",
    "https://app.good.example/%43allback",
    "https://app.good.example/%2543allback",
    "https://app.good.example%2FCallback",
    "https://app.good.example/Callback;x",
    "https://app.good.example/Callback;jsessionid=1",
    "https://app.good.example/Callback%00",
    "https://app.good.example\\Callback",
    # the query and the fragment
    "https://app.good.example/Callback?",
    "https://app.good.example/Callback?a=b",
    "https://app.good.example/Callback?code=stolen",
    "https://app.good.example/Callback&a=b",
    "https://app.good.example/Callback#",
    "https://app.good.example/Callback#fragment",
    "https://app.good.example/Callback%23",
    "https://app.good.example/cb",
    "https://app.good.example/cb?",
    "https://app.good.example/cb?tenant=a",
    "https://app.good.example/cb?mode=b&tenant=a",
    "https://app.good.example/cb?tenant=a&mode=b&x=1",
    "https://app.good.example/cb?tenant=a&mode=b&tenant=a",
    "https://app.good.example/cb?tenant=a&mode=b&",
    "https://app.good.example/cb?tenant=a;mode=b",
    "https://app.good.example/cb?tenant=A&mode=b",
    "https://app.good.example/cb?tenant=%61&mode=b",
    # the scheme and the port
    "http://app.good.example/Callback",
    "HTTPS://app.good.example/Callback",
    "//app.good.example/Callback",
    "app.good.example/Callback",
    "/Callback",
    "https:/app.good.example/Callback",
    "https:app.good.example/Callback",
    "https:///app.good.example/Callback",
    "https://app.good.example:443/Callback",
    "https://app.good.example:/Callback",
    "https://app.good.example:8443/Callback",
    "https://app.good.example/cb",
    "https://app.good.example:08443/cb",
    "https://app.good.example:8444/cb",
    "https://app.good.example:84430/cb",
    # the host
    "https://App.Good.Example/Callback",
    "https://app.good.example./Callback",
    "https://evil.app.good.example/Callback",
    "https://good.example/Callback",
    "https://app.good.example.evil.example/Callback",
    "https://app.good.exampleevil/Callback",
    "https://appXgood.example/Callback",
    "https://app.good.example@evil.example/Callback",
    "https://evil.example/app.good.example/Callback",
    "https://evil.example\\@app.good.example/Callback",
    "https://user@app.good.example/Callback",
    "https://user:pass@app.good.example/Callback",
    "https://app.good.example%40evil.example/Callback",
    "https://evil.example?app.good.example/Callback",
    "https://evil.example#app.good.example/Callback",
    "https://evil.example/Callback",
    "https://аpp.good.example/Callback",
    "https://xn--pp-6kc.good.example/Callback",
    "https://app．good．example/Callback",
    "https://app.good.example／Callback",
    "https://app。good.example/Callback",
    "https://ａpp.good.example/Callback",
    "https://*.good.example/Callback",
    "https://app.good.example*/Callback",
    "https://[::1]/Callback",
    "https://[::ffff:127.0.0.1]/Callback",
    "https://2130706433/Callback",
    "https://0177.0.0.1/Callback",
    "https://0x7f.1/Callback",
    "http://[x]/",
    "http://[",
    # what parsers throw away
    " https://app.good.example/Callback",
    "https://app.good.example/Callback ",
    "\thttps://app.good.example/Callback",
    "https://app.good.example/Call\tback",
    "https://app.good.example/Callback\n",
    "https://app.good.example/Callback\r\nLocation: https://evil.example/",
    "https://app.good\r.example/Callback",
    "https://app.good.example/Callback\0",
    "https://app.good.example\0.evil.example/Callback",
    "https://app.good.example/\u200bCallback",
    "https://app.good.example/Callback\u202e",
    "\ufeffhttps://app.good.example/Callback",
    "https://app.good.example/Callback\ud800",
    # schemes that a browser runs
    "javascript:alert(1)//https://app.good.example/Callback",
    "data:text/html,https://app.good.example/Callback",
    "vbscript:x",
    "file:///Callback",
    "blob:https://app.good.example/Callback",
    "about:blank",
    # size and shape
    PLAIN + "?" + "x" * 4096,
    PLAIN * 2,
    f"{PLAIN} {PLAIN}",
    f"{PLAIN},{PLAIN}",
]


def test_the_corpus_is_as_large_as_it_should_be_and_each_is_another():
    assert len(set(NEAR_MISSES) - set(REGISTERED)) >= 60


@pytest.mark.row("AZ-05")
@pytest.mark.row("AZ-03")
@pytest.mark.parametrize("uri", NEAR_MISSES, ids=lambda uri: ascii(uri)[:80])
def test_a_near_miss_of_a_registered_uri_is_answered_on_our_own_page(uri):
    for kind in ({}, PUBLIC, PUBLIC | {"application_type": "native"}):
        app = client(redirect_uris=REGISTERED, **kind)
        with pytest.raises(Shown) as caught:
            ask(rules(app), redirect_uri=uri)
        assert (caught.value.message, caught.value.status) == ("redirect_uri_unregistered", 400)


@pytest.mark.parametrize("uri", REGISTERED)
def test_a_registered_uri_is_taken_as_it_is(uri):
    assert ask(rules(client(redirect_uris=REGISTERED)), redirect_uri=uri).reply_to.redirect_uri == uri


@pytest.mark.row("AZ-05")
@given(st.data())
def test_no_change_of_one_character_goes_unseen(data):
    uri = data.draw(st.sampled_from(REGISTERED))
    at = data.draw(st.integers(0, len(uri)))
    put = data.draw(st.text(max_size=1))
    changed = uri[:at] + put + uri[at + data.draw(st.integers(0, 1)) :]
    for kind in ("web", "native"):
        app = client(redirect_uris=REGISTERED, application_type=kind)
        assert is_registered(changed, app) is (changed in REGISTERED)


@pytest.mark.row("AZ-06")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:51004/callback",
        "http://127.0.0.1:65535/callback",
        "http://[::1]/callback",
        "http://[::1]:51004/callback",
        "http://localhost:51004/callback",
    ],
)
def test_a_native_app_may_listen_on_any_port_of_the_loopback(uri):
    assert is_registered(uri, client(**LOOPBACK))
    assert ask(rules(client(**LOOPBACK)), redirect_uri=uri).reply_to.redirect_uri == uri


@pytest.mark.row("AZ-06")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:100000/callback",
        "http://127.0.0.1:00080/callback",
        "http://127.0.0.1:٨٠/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:-1/callback",
        "http://127.0.0.1:+80/callback",
        "http://127.0.0.1:80:80/callback",
        "http://127.0.0.1:80",
        "http://127.0.0.1:80/",
        "http://127.0.0.1:80/Callback",
        "http://127.0.0.1:80/callback/",
        "http://127.0.0.1:80/callback?x=1",
        "http://127.0.0.1:80/callback#x",
        "http://127.0.0.1:80\\callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1.evil.example:80/callback",
        "http://localhost:80@evil.example/callback",
        "http://localhost.evil.example/callback",
        "http://localhost.:80/callback",
        "http://LOCALHOST:80/callback",
        "http://evil.localhost:80/callback",
        "http://127.0.0.2:80/callback",
        "http://127.1:80/callback",
        "http://127.0.0.01:80/callback",
        "http://2130706433:80/callback",
        "http://0.0.0.0:80/callback",
        "http://[::]:80/callback",
        "http://[0:0:0:0:0:0:0:1]:80/callback",
        "http://[::1%25lo]:80/callback",
        "http://[::ffff:127.0.0.1]:80/callback",
        "https://127.0.0.1:80/callback",
        "HTTP://127.0.0.1:80/callback",
        "http://127.0.0.1:80/callback\n",
        " http://127.0.0.1:80/callback",
    ],
    ids=ascii,
)
def test_only_the_port_may_differ_and_only_on_a_loopback_address_as_it_was_registered(uri):
    assert not is_registered(uri, client(**LOOPBACK))


@pytest.mark.row("AZ-06")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_one_loopback_name_does_not_stand_for_another(host):
    app = client(**LOOPBACK | {"redirect_uris": (f"http://{host}:7/callback",)})
    others = {"127.0.0.1", "[::1]", "localhost"} - {host}
    assert is_registered(f"http://{host}:8/callback", app)
    assert not any(is_registered(f"http://{other}:8/callback", app) for other in others)


@pytest.mark.row("AZ-06")
def test_a_web_app_is_held_to_the_port_it_registered():
    app = client(**LOOPBACK | {"application_type": "web", "redirect_uris": ("http://127.0.0.1:80/callback",)})
    assert is_registered("http://127.0.0.1:80/callback", app)
    assert not is_registered("http://127.0.0.1:81/callback", app)
    assert not is_registered("http://127.0.0.1/callback", app)


def test_a_loopback_uri_is_not_taken_from_a_native_app_that_registered_none():
    app = client(
        application_type="native", redirect_uris=("com.example.app:/cb", "https://127.0.0.1/callback")
    )
    assert not is_registered("http://127.0.0.1:80/callback", app)
    assert not is_registered("https://127.0.0.1:80/callback", app)


def test_the_query_of_a_loopback_uri_is_part_of_it():
    app = client(**LOOPBACK | {"redirect_uris": ("http://127.0.0.1/cb?a=b",)})
    assert is_registered("http://127.0.0.1:9/cb?a=b", app)
    assert not is_registered("http://127.0.0.1:9/cb?a=c", app)


def test_nothing_is_registered_for_a_client_without_uris():
    assert not is_registered("", client(redirect_uris=()))
    assert not is_registered("http://127.0.0.1/", client(**LOOPBACK | {"redirect_uris": ()}))


@pytest.mark.parametrize(
    ("uri", "unproved"),
    [
        ("https://app.example/cb", False),
        ("https://127.0.0.1/cb", False),
        ("http://127.0.0.1:80/cb", True),
        ("http://[::1]/cb", True),
        ("com.example.app:/cb", True),
        ("httpsx://app.example/cb", True),
        ("https:app", True),
    ],
)
def test_only_an_https_uri_says_who_stands_behind_it(uri, unproved):
    assert cannot_be_proved(uri) is unproved
