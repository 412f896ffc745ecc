"""A connector is somebody else's code, an upstream somebody else's server: they cost one login at most."""

import asyncio
import sys
import textwrap

import pytest

from broker.kit.loop_clock import by_hand
from broker.protocol.errors import AccessDenied, OAuthError, TemporarilyUnavailable
from broker.upstreams import Upstreams
from tests.connectors.stage import on_stage, opened
from tests.fakes.provider import FakeProvider

# ── Somebody else's code ──────────────────────────────────────────────────────────────────────

OUTSIDE = """
from broker.connector import ConnectorSettings, Departure, UpstreamIdentity, UpstreamRefused

CLAIMS = "claims: {{ name: {{ from: [name] }} }}"

class Settings(ConnectorSettings):
    door: str

class Connector:
    def __init__(self, settings, tools):
        self.settings, self.tools = settings, tools

    async def begin(self, login):
        {begin}

    async def finish(self, login, answer, memory):
        {finish}

    async def ping(self):
        {ping}

    async def refresh(self, keep):
        {refresh}
"""
GOOD = {
    "begin": 'url = f"https://{self.settings.door}/?state={login.state}"\n'
    'return Departure(url=url, memory={"seen": "1"})',
    "finish": 'return UpstreamIdentity(issuer="urn:door", subject=answer["who"] + memory["seen"])',
    "ping": "return None",
    "refresh": 'return UpstreamIdentity(issuer="urn:door", subject="somebody")',
}


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """Writes a connector into a package far from the checkout, and names it."""

    def write(**bodies):
        name = f"outside_{abs(hash(tmp_path)) % 10**8}"
        package = tmp_path / "elsewhere" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        parts = {k: textwrap.indent(v, " " * 8).lstrip() for k, v in {**GOOD, **bodies}.items()}
        (package / "door.py").write_text(OUTSIDE.format(**parts))
        monkeypatch.syspath_prepend(str(package.parent))
        return f"{name}.door"

    yield write
    for module in [module for module in sys.modules if module.startswith("outside_")]:
        del sys.modules[module]


def door(module):
    return {"up": {"type": module, "door": "door.example"}}


async def test_a_connector_from_elsewhere_works_by_its_module_path(outside, idp):
    async with opened(idp, door(outside())) as stage:
        login = stage.login()
        assert await login.begin() == f"https://door.example/?state={login.state}"
        identity = await login.finish({"who": "ann"})
        await stage.upstream.ping()
        upstream = stage.upstream
    assert (identity.issuer, identity.subject, identity.auth_time) == ("urn:door", "ann1", None)
    assert (upstream.id, upstream.name, upstream.enabled) == ("up", "up", True)
    assert upstream.icon.endswith(".door")  # its kind, for which there may be a picture


@pytest.mark.row("CF-07")
@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('token=hidden-away')",
        "return 1 / 0",
        "return None",
        "return 'https://door.example/'",
        "return Departure(url='javascript:alert(1)')",
        "return Departure(url='https://door.example/\\n')",
        "return Departure(url=7)",
        "return Departure(url='https://door.example/', memory={'x': 7})",
        "return Departure(url='https://door.example/', memory={'x': 'y' * 5000})",
        "return Departure(url='https://door.example/', memory=7)",
        "raise KeyError(login.nonce)",
        "raise ExceptionGroup('several', [ValueError()])",
        "raise SystemExit(3)",
        "raise __import__('asyncio').CancelledError",
    ],
)
async def test_whatever_a_connector_does_at_the_start_only_this_login_fails(outside, idp, body):
    async with opened(idp, door(outside(begin=body))) as stage:
        login = stage.login()
        with pytest.raises(OAuthError) as caught:
            await login.begin()
    assert (caught.value.error, caught.value.reason) == ("server_error", "connector_failed")
    assert "hidden-away" not in f"{caught.value.description} {caught.value.detail}"


async def test_a_login_that_is_ended_from_outside_is_no_fault_of_its_connector(outside, idp):
    hanging = "await __import__('asyncio').Event().wait()"
    async with opened(idp, door(outside(begin=hanging))) as stage:
        task = asyncio.create_task(stage.login().begin())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.row("CF-07")
@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('no')",
        "return None",
        "return {'issuer': 'urn:door', 'subject': 'ann'}",
        "return UpstreamIdentity(issuer='urn:door', subject='')",
        "return UpstreamIdentity(issuer='urn:door', subject=7)",
        "return UpstreamIdentity(issuer=None, subject='ann')",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', auth_time='now')",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', auth_time=True)",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', session_ends='now')",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', session_ends=float('nan'))",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', keep={'refresh_token': 1})",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', keep={'refresh_token': 'x' * 300_000})",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', acr=7)",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', amr=(7,))",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', amr=7)",
        "return UpstreamIdentity(issuer='urn:door', subject='ann', userinfo=['x'])",
    ],
)
async def test_whatever_a_connector_returns_at_the_end_only_this_login_fails(outside, idp, body):
    async with opened(idp, door(outside(finish=body))) as stage:
        with pytest.raises(OAuthError) as caught:
            await stage.login().finish({"who": "ann"})
    assert (caught.value.error, caught.value.reason) == ("server_error", "connector_failed")


@pytest.mark.row("CF-07")
async def test_a_connector_that_hangs_is_given_up(outside, idp):
    module = outside(begin="import asyncio; await asyncio.Event().wait()")
    async with opened(idp, door(module), outbound={"timeout": "1s"}) as stage:
        with by_hand() as clock:
            beginning = asyncio.ensure_future(stage.login().begin())
            await clock.until(beginning, within=stage.upstream.patience + 0.1)
            with pytest.raises(TemporarilyUnavailable) as caught:
                await beginning
    assert caught.value.reason == "upstream_too_slow"


@pytest.mark.row("CF-07")
async def test_an_upstream_that_wants_the_person_at_a_refresh_refuses_it(outside, idp):
    name = outside(refresh='from broker.connector import UpstreamDetour\nraise UpstreamDetour("again")')
    async with opened(idp, {"up": {"type": name, "door": "door.example"}}) as stage:
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh({"token": "t"})


async def test_only_a_login_can_begin_once_more(outside, idp):
    name = outside(begin='from broker.connector import UpstreamDetour\nraise UpstreamDetour("again")')
    async with opened(idp, {"up": {"type": name, "door": "door.example"}}) as stage:
        with pytest.raises(OAuthError):
            await stage.login().begin()


async def test_one_that_fails_leaves_the_others_alone(outside, idp):
    connectors = {
        "bad": {"type": outside(begin="raise RuntimeError"), "door": "door.example"},
        "good": {
            "type": "oidc",
            "issuer": idp.issuer,
            "client_id": idp.client_id,
            "client_secret": idp.client_secret,
        },
    }
    async with opened(idp, connectors) as stage:
        with pytest.raises(OAuthError):
            await stage.login("bad").begin()
        login = stage.login("good")
        assert (await login.finish(await login.at_the_upstream())).subject == "ann"


async def test_a_login_that_is_cancelled_is_cancelled(outside, idp):
    module = outside(begin="import asyncio; await asyncio.Event().wait()")
    async with opened(idp, door(module)) as stage:
        task = asyncio.create_task(stage.login().begin())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_error_the_connector_means_is_told_as_meant(outside, idp):
    async with opened(
        idp, door(outside(finish="raise UpstreamRefused('access_denied', 'closed today')"))
    ) as stage:
        with pytest.raises(OAuthError) as caught:
            await stage.login().finish({})
    assert (caught.value.error, caught.value.detail) == ("access_denied", "closed today")


# ── Somebody else's server ────────────────────────────────────────────────────────────────────


async def test_opening_contacts_nobody(idp):
    async with on_stage(idp) as stage:
        assert isinstance(stage.upstreams, Upstreams)
        assert stage.upstreams.enabled == ("up",)
        assert len(stage.upstreams) == 1
    assert idp.requests == []


@pytest.mark.parametrize("wrong", ["drop", "500", "429"])
async def test_an_upstream_that_is_down_is_unavailable_and_then_it_is_back(idp, wrong):
    async with on_stage(idp) as stage:
        idp.switch(discovery=wrong)
        with pytest.raises(OAuthError) as caught:
            await stage.login().begin()
        assert (caught.value.error, caught.value.reason) == (
            "temporarily_unavailable",
            "upstream_unavailable",
        )
        with pytest.raises(OAuthError):
            await stage.upstream.ping()
        asked = len(idp.seen("discovery"))
        idp.reset()
        with pytest.raises(OAuthError):  # it just failed: not asked again for five seconds
            await stage.login().begin()
        assert len(idp.seen("discovery")) == asked
        stage.now.forward(5)
        assert (await stage.sign_in()).subject == "ann"
        await stage.upstream.ping()


@pytest.mark.row("UP-13")
async def test_an_upstream_that_goes_down_after_a_login_still_knows_its_keys(idp):
    async with on_stage(idp) as stage:
        await stage.sign_in()
        idp.switch(discovery="500", jwks="drop")
        stage.now.forward(2 * 3600)
        assert (await stage.sign_in()).subject == "ann"
        stage.now.forward(2 * 86400)
        with pytest.raises(OAuthError) as caught:
            await stage.sign_in()
    assert caught.value.error == "temporarily_unavailable"


@pytest.mark.row("UP-11")
async def test_many_cold_logins_fetch_each_document_once(idp):
    async with on_stage(idp) as stage:
        people = await asyncio.gather(*(stage.sign_in() for _ in range(50)))
    assert {person.subject for person in people} == {"ann"}
    assert (len(idp.seen("discovery")), len(idp.seen("jwks")), len(idp.seen("token"))) == (1, 1, 50)


@pytest.mark.row("UP-06")
@pytest.mark.parametrize("where", ["discovery", "token", "jwks", "userinfo"])
async def test_a_slow_upstream_ends_in_temporarily_unavailable(idp, where):
    connectors = {
        "up": {
            "type": "oidc",
            "issuer": idp.issuer,
            "client_id": idp.client_id,
            "client_secret": idp.client_secret,
            "get_user_info": True,
        }
    }
    outbound = {"timeout": "1s", "allow_networks": ["127.0.0.0/8"]}
    with by_hand() as clock:
        async with opened(idp, connectors, outbound=outbound) as stage:
            idp.switch(**{where: "slow"})
            signing_in = asyncio.ensure_future(stage.sign_in())
            await idp.waiting.wait()
            await clock.until(signing_in, within=1.5)
            with pytest.raises(TemporarilyUnavailable) as caught:
                await signing_in
            idp.release()
    assert caught.value.reason == "upstream_unavailable"


# ── Its keys ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("KY-07")
@pytest.mark.proves("oidc", "keys that rotate")
async def test_a_new_key_is_found_at_once_and_the_old_one_is_forgotten(idp):
    async with on_stage(idp) as stage:
        await stage.sign_in()
        old = idp.keys[0]
        idp.rotate()
        assert (await stage.sign_in()).subject == "ann"
        assert len(idp.seen("jwks")) == 2
        fresh, idp.keys = idp.keys, [old]
        assert (await stage.refused()).reason == "token_unknown_kid"
        idp.keys = fresh
        assert (await stage.sign_in()).subject == "ann"


@pytest.mark.row("JW-05")
@pytest.mark.parametrize("jwks", [None, "500", "not_json"])
@pytest.mark.proves("oidc", "a storm of unknown keys")
async def test_a_storm_of_unknown_keys_asks_once_a_minute_and_hurts_nobody(idp, jwks):
    async with on_stage(idp) as stage:
        await stage.sign_in()
        idp.switch(kid="unknown", jwks=jwks)
        reasons = [(await stage.refused()).reason for _ in range(20)]
        assert len(idp.seen("jwks")) == 2
        assert set(reasons[1:]) == {"token_unknown_kid"}
        idp.switch(kid=None)
        assert (await stage.sign_in()).subject == "ann"
        stage.now.forward(61)
        idp.switch(kid="unknown")
        await stage.refused()
        assert len(idp.seen("jwks")) == 3


@pytest.mark.row("JW-07")
@pytest.mark.parametrize("jwks", ["odd", "duplicate_kid"])
async def test_odd_keys_in_its_set_do_no_harm(idp, jwks):
    idp.switch(jwks=jwks)
    async with on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"


@pytest.mark.row("JW-11")
async def test_the_key_of_one_upstream_does_not_speak_for_another():
    async with FakeProvider.running() as honest, FakeProvider.running() as other:
        entries = {
            name: {
                "type": "oidc",
                "issuer": p.issuer,
                "client_id": "broker",
                "client_secret": p.client_secret,
            }
            for name, p in (("honest", honest), ("other", other))
        }
        async with opened(other, entries) as stage:
            login = stage.login("other")
            await login.finish(await login.at_the_upstream())
            honest.now = stage.now
            honest.keys = other.keys[:]  # it signs with the other's key …
            login = stage.login("honest")
            login.idp = honest
            answer = await login.at_the_upstream()
            honest.switch(jwks="500")  # … and publishes nothing
            with pytest.raises(OAuthError) as caught:
                await login.finish(answer)
    assert caught.value.error == "temporarily_unavailable"


# ── Its metadata ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("UP-01")
@pytest.mark.row("UP-02")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer": "https://evil.example"}, "metadata_issuer_mismatch"),
        ({"issuer": None}, "metadata_issuer_mismatch"),
        ({"issuer": ["x"]}, "metadata_issuer_mismatch"),
        ({"token_endpoint": None}, "metadata_endpoint_missing"),
        ({"jwks_uri": None}, "metadata_endpoint_missing"),
        ({"authorization_endpoint": None}, "metadata_endpoint_missing"),
        *(
            ({member: url}, "metadata_endpoint_malformed")
            for member in ("token_endpoint", "jwks_uri", "authorization_endpoint", "userinfo_endpoint")
            for url in (
                "http://idp.example/",
                "file:///etc/passwd",
                "/relative",
                "https://user@idp.example/",
                "https://idp.example/#x",
                "javascript:alert(1)",
                "https://idp.example\\@evil/",
                7,
            )
        ),
    ],
    ids=str,
)
async def test_metadata_that_cannot_be_believed_takes_the_connector_out_of_service(idp, change, reason):
    idp.switch(discovery=change)
    async with on_stage(idp) as stage:
        with pytest.raises(OAuthError) as caught:
            await stage.login().begin()
    assert (caught.value.error, caught.value.reason) == ("temporarily_unavailable", reason)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("404", "metadata_bad_status"),
        ("not_json", "metadata_not_json"),
        ("redirect", "metadata_redirect"),
        ("oversize", "metadata_too_large"),
    ],
)
async def test_what_is_no_metadata_takes_the_connector_out_of_service(idp, wrong, reason):
    idp.switch(discovery=wrong)
    async with on_stage(idp) as stage:
        with pytest.raises(OAuthError) as caught:
            await stage.login().begin()
    assert (caught.value.error, caught.value.reason) == ("temporarily_unavailable", reason)


@pytest.mark.row("UP-19")
@pytest.mark.parametrize("member", ["token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.proves("oidc", "endpoints that move to another host")
async def test_endpoints_that_move_to_another_origin_are_not_followed(idp, member):
    async with FakeProvider.running() as evil, on_stage(idp) as stage:
        await stage.sign_in()
        idp.switch(discovery={member: f"{evil.issuer}/token"})
        stage.now.forward(2 * 3600 + 1)
        with pytest.raises(OAuthError) as caught:
            await stage.login().begin()
        assert caught.value.reason == "metadata_origin_changed"
        assert evil.requests == []


@pytest.mark.row("UP-03")
async def test_metadata_cannot_send_us_into_a_private_network(idp):
    idp.switch(
        discovery={"jwks_uri": "https://169.254.169.254/latest", "token_endpoint": "https://10.0.0.1/"}
    )
    async with on_stage(idp) as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", "address_not_allowed")
    assert not idp.seen("token")
