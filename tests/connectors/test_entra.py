"""Microsoft Entra ID: whose tenant, which person, whose address, all groups or none."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from broker.connector import Answer, UpstreamDetour, UpstreamInvalid, UpstreamRefused
from broker.endpoints.recognition import told_by
from broker.mapping import Documents, apply
from broker.protocol.errors import (
    AccessDenied,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    ServerError,
    TemporarilyUnavailable,
    UnmetAuthenticationRequirements,
)
from broker.protocol.flow import ClaimAsk, ClaimsRequest
from connectors import entra, entra_graph
from tests.connectors.desk import LOGIN, Desk, finish, recorded
from tests.connectors.stage import opened
from tests.fakes.entra import ANN, CONSUMERS, HOME, OTHER, TENANT, FakeEntra, group
from tests.fakes.forging import Key, b64

SECRET = {"client_id": "6cb04018-a3f5-46a7-b995-940c78f5aef3", "client_secret": "secret"}
DOMAIN = "contoso.onmicrosoft.com"
COMMON = {"tenant": "common", "allowed_tenants": [TENANT]}


def settings(**keys):
    return entra.Settings.model_validate({**SECRET, "tenant": TENANT, **keys})


def made(document="entra/openid-configuration.json", claims="entra/id_token.claims.json", **keys):
    said = settings(**keys)
    told = recorded(claims) if isinstance(claims, str) else claims
    where = f"{said.base_url}/{said.tenant}/v2.0/.well-known/openid-configuration"
    desk = Desk(told, {where: recorded(document)})
    return entra.Connector(said, desk.tools), desk


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def idp():
    async with FakeEntra.running() as provider:
        yield provider


@pytest.fixture
async def common():
    async with FakeEntra.running(tenant="common") as provider:
        yield provider


def at(idp, **more):
    entry = {
        "type": "entra",
        "tenant": idp.tenant,
        "authority": idp.origin,
        "graph": idp.origin,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
        **more,
    }
    return opened(idp, {"up": {name: value for name, value in entry.items() if value is not None}})


async def mapped(stage, identity=None):
    identity = identity or await stage.sign_in()
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(stage.upstream.claims_map, documents).claims


# ── What Microsoft publishes ──────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "metadata of a tenant and of `common`, as published")
@pytest.mark.parametrize(
    ("document", "keys", "jwks"),
    [
        ("entra/openid-configuration.json", {}, TENANT),
        ("entra/openid-configuration.common.v2.json", {**COMMON, "allowed_tenants": [HOME]}, "common"),
    ],
)
async def test_what_entra_publishes_is_understood(document, keys, jwks):
    home = "" if keys else "11111111-2222-3333-4444-555555555555"
    claims = recorded("entra/id_token.claims.json")
    if home:
        claims |= {"tid": home, "iss": f"https://login.microsoftonline.com/{home}/v2.0"}
    connector, desk = made(document, claims, **keys)
    asked = asked_of((await connector.begin(LOGIN)).url)
    assert (asked["code_challenge_method"], asked["nonce"]) == ("S256", LOGIN.nonce)
    identity = await finish(connector)
    assert identity.subject == f"{claims['tid']}|{claims['oid']}"
    assert identity.api == {"email": "AbeLi@example.com", "email_verified": True}
    assert desk.posted[0]["url"] == f"https://login.microsoftonline.com/{jwks}/oauth2/v2.0/token"
    assert desk.posted[0]["basic"] is not None


async def test_metadata_of_v1_is_not_taken_for_v2():
    connector, _ = made("entra/openid-configuration.common.v1.json", **COMMON)
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.parametrize(
    ("cloud", "authority", "graph"),
    [
        ("global", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
        ("us_government", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
        ("us_government_dod", "https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
        ("china", "https://login.partner.microsoftonline.cn", "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
@pytest.mark.proves("entra", "national clouds")
def test_each_cloud_has_its_own_hosts(cloud, authority, graph):
    said = settings(cloud=cloud)
    assert (said.base_url, said.graph_url) == (authority, graph)
    assert said.issuer == f"{authority}/{TENANT}/v2.0"


# ── A login ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "sign-in at a single tenant: PKCE, secret, ID Token")
async def test_a_login_at_a_tenant_ends_with_a_person(idp):
    async with at(idp) as stage:
        identity = await stage.sign_in()
        claims = await mapped(stage, identity)
    assert (identity.issuer, identity.subject) == (idp.issuer, f"{TENANT}|{ANN}")
    assert identity.auth_time == int(stage.now())
    assert identity.sid == "5f1b9d0e-0000-4000-8000-000000000001"
    assert claims == {
        "name": "Abe Lincoln",
        "preferred_username": "AbeLi@example.com",
        "email": "AbeLi@example.com",
        "email_verified": True,
        "groups": [group(1), group(2)],
        "roles": ["App.Admin"],
        "tenant": TENANT,
    }
    assert not idp.seen("member_groups")


@pytest.mark.proves("entra", "keys without alg")
@pytest.mark.parametrize("without", [True, False])
async def test_keys_need_not_say_their_algorithm(idp, without):
    idp.switch(jwks_without_alg=without)
    async with at(idp) as stage:
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"


@pytest.mark.proves("entra", "form_post")
async def test_the_answer_may_come_as_a_form(idp):
    idp.switch(form_post=True)
    async with at(idp, response_mode="form_post") as stage:
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"
    async with at(idp) as stage:
        assert type(await stage.refused()) is ServerError


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_the_secret_goes_as_the_operator_says(idp, method):
    async with at(idp, token_endpoint_auth_method=method) as stage:
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"
    assert ("client_secret" in idp.seen("token")[0].form) is (method == "client_secret_post")


@pytest.mark.proves("entra", "userinfo at Microsoft Graph")
async def test_userinfo_is_on_another_host_and_about_the_same_person(idp):
    async with at(idp, get_user_info=True) as stage:
        identity = await stage.sign_in()
        assert identity.userinfo["sub"] == identity.id_token["sub"]
        assert "picture" not in await mapped(stage, identity)  # it cannot be opened without a token
        idp.switch(userinfo="other_sub")
        assert (await stage.refused()).reason == "userinfo_sub_mismatch"


# ── Whose tenant ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "several tenants: the issuer is bound to `tid`, the tenant to the allow-list")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize("name", ["common", "organizations"])
async def test_people_of_an_allowed_tenant_sign_in_at_the_shared_endpoint(name):
    async with FakeEntra.running(tenant=name) as idp, at(idp, allowed_tenants=[TENANT.upper()]) as stage:
        identity = await stage.sign_in()
        assert (identity.issuer, identity.subject) == (f"{idp.origin}/{TENANT}/v2.0", f"{TENANT}|{ANN}")


@pytest.mark.proves("entra", "tenants outside the allow-list")
@pytest.mark.row("CB-33")
async def test_people_of_another_tenant_are_turned_away(common):
    common.switch(wrong_tenant=True)
    async with at(common, allowed_tenants=[TENANT]) as stage:
        refused = await stage.refused()
    assert type(refused) is AccessDenied
    assert f"the tenant {OTHER} is not allowed" in str(refused.detail)


@pytest.mark.proves("entra", "any tenant, where the operator says so")
async def test_any_tenant_is_let_in_only_by_the_operators_word(common):
    common.switch(wrong_tenant=True)
    async with at(common, allow_any_tenant=True) as stage:
        assert (await stage.sign_in()).subject == f"{OTHER}|{ANN}"


@pytest.mark.proves("entra", "a token of another tenant at a single-tenant connector")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize("tenant", [TENANT, DOMAIN])
async def test_a_single_tenant_takes_nobody_elses_people(tenant):
    async with FakeEntra.running(tenant=tenant) as idp, at(idp) as stage:
        await stage.sign_in()
        idp.switch(wrong_tenant=True)
        assert (await stage.refused()).reason == "token_key_issuer_mismatch"


@pytest.mark.proves("entra", "`tid` and issuer that do not belong together")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    "keys", [{}, {"jwks_without_issuer": True}], ids=["keys of a tenant", "keys of nobody"]
)
@pytest.mark.parametrize(
    "said", [f"/{OTHER}/v2.0", "/common/v2.0", "/{tenantid}/v2.0", f"/{TENANT}/v2.0/", f"/{TENANT}", ""]
)
async def test_an_issuer_of_another_tenant_than_the_tid_is_refused(common, said, keys):
    async with at(common, allow_any_tenant=True) as stage:
        common.switch(iss=common.origin + said, **keys)
        assert (await stage.refused()).reason == MISMATCH[bool(keys)]


MISMATCH = ("token_key_issuer_mismatch", "id_token_iss_mismatch")
"""Both the key and the token say whose they are; either is enough."""


@pytest.mark.proves("entra", "a token without `tid`")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    "keys", [{}, {"jwks_without_issuer": True}], ids=["keys of a tenant", "keys of nobody"]
)
async def test_a_token_without_a_tenant_is_refused(common, keys):
    common.switch(tid_missing=True, **keys)
    async with at(common, allow_any_tenant=True) as stage:
        assert (await stage.refused()).reason == MISMATCH[bool(keys)]


@pytest.mark.proves("entra", "a token of another tenant, where keys do not say whose they are")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize("tenant", [TENANT, DOMAIN])
async def test_a_single_tenant_does_not_lean_on_its_keys_alone(tenant):
    async with FakeEntra.running(tenant=tenant) as idp, at(idp) as stage:
        idp.switch(wrong_tenant=True, jwks_without_issuer=True)
        refused = await stage.refused()
    assert type(refused) is AccessDenied
    assert "not the one of this connector" in str(refused.detail)


@pytest.mark.parametrize("tid", [TENANT + "/..", "..", "", f"{TENANT}\n", 7, None, [TENANT]])
async def test_what_is_no_tenant_id_is_none(tid):
    claims = {**recorded("entra/id_token.claims.json"), "tid": tid}
    connector, _ = made(
        "entra/openid-configuration.common.v2.json", claims, tenant="common", allow_any_tenant=True
    )
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "tid_missing"


@pytest.mark.proves("entra", "a key that belongs to another tenant")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize("tenant", ["common", TENANT])
async def test_a_key_speaks_for_its_own_tenant_only(tenant):
    async with FakeEntra.running(tenant=tenant) as idp:
        idp.switch(per_key_issuer_mismatch=True)
        async with at(idp, allowed_tenants=[TENANT]) as stage:
            assert (await stage.refused()).reason == "token_key_issuer_mismatch"


@pytest.mark.proves("entra", "personal Microsoft accounts")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    ("name", "keys", "good"),
    [
        ("common", {"allow_any_tenant": True}, False),
        ("common", {"allowed_tenants": [TENANT]}, False),
        ("common", {"allow_any_tenant": True, "allow_consumers": True}, True),
        ("common", {"allowed_tenants": [TENANT], "allow_consumers": True}, True),
        ("common", {"allowed_tenants": [TENANT, CONSUMERS]}, True),
        ("organizations", {"allow_any_tenant": True}, False),
        ("consumers", {}, True),
    ],
)
async def test_personal_accounts_come_in_where_they_are_wanted(name, keys, good):
    async with FakeEntra.running(tenant=name) as idp, at(idp, **keys) as stage:
        idp.switch(msa_consumer=True)
        if good:
            assert (await stage.sign_in()).subject == f"{CONSUMERS}|{ANN}"
        else:
            assert type(await stage.refused()) is AccessDenied


@pytest.mark.proves("entra", "guests of a tenant")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    ("home", "keys", "good"),
    [
        (HOME, {}, False),
        (HOME, {"allow_guests": True}, True),
        (CONSUMERS, {}, False),
    ],
)
async def test_guests_come_in_where_they_are_wanted(idp, home, keys, good):
    idp.switch(guest=home)
    async with at(idp, **keys) as stage:
        if good:
            assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"
        else:
            assert "guest" in str((await stage.refused()).detail)


@pytest.mark.parametrize(
    ("said", "guest"),
    [
        ({}, False),
        ({"idp": f"https://sts.windows.net/{TENANT}/"}, False),
        ({"idp": f"https://login.microsoftonline.com/{TENANT}/v2.0"}, False),
        ({"idp": f"https://sts.windows.net/{HOME}/"}, True),
        ({"idp": f"https://sso.partner.example/{TENANT}/"}, True),  # a federated partner names itself
        ({"idp": "live.com"}, True),
        ({"idp": "google.com", "acct": 0}, True),
        ({"idp": ["live.com"]}, True),
        ({"idp": f"https://sts.windows.net/{TENANT}/", "acct": 1}, True),
        ({"acct": "1"}, True),
    ],
    ids=str,
)
async def test_who_is_at_home_elsewhere_is_a_guest(said, guest):
    claims = {**recorded("entra/id_token.claims.json"), **said}
    claims |= {"tid": TENANT, "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}
    connector, _ = made(claims=claims)
    if not guest:
        assert (await finish(connector)).subject.startswith(TENANT)
        return
    with pytest.raises(UpstreamRefused, match="guest"):
        await finish(connector)


async def test_a_guest_whose_own_tenant_is_allowed_comes_in(common):
    common.switch(guest=HOME)
    async with at(common, allowed_tenants=[TENANT, HOME]) as stage:
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"


@pytest.mark.parametrize(
    ("claims", "allowed"),
    [
        ("entra/id_token.claims.guest.json", "72f988bf-0000-0000-0000-2d7cd011db47"),
        ("entra/id_token.claims.msa-consumer.json", TENANT),
    ],
)
async def test_recorded_guests_and_personal_accounts_are_known_for_what_they_are(claims, allowed):
    said = {**recorded(claims), "ver": "2.0"}
    connector, _ = made(
        "entra/openid-configuration.common.v2.json", said, tenant="common", allowed_tenants=[allowed]
    )
    with pytest.raises(UpstreamRefused) as caught:
        await finish(connector)
    assert caught.value.error == "access_denied"


@pytest.mark.proves("entra", "a tenant by its domain")
async def test_a_domain_stands_for_the_tenant_that_its_metadata_names():
    async with FakeEntra.running(tenant=DOMAIN) as idp, at(idp) as stage:
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"
    async with FakeEntra.running(tenant=DOMAIN) as idp, at(idp, allowed_tenants=[OTHER]) as stage:
        assert type(await stage.refused()) is AccessDenied


@pytest.mark.row("UP-01")
@pytest.mark.parametrize(
    "issuer", ["{origin}/common/v2.0", "{origin}/{{tenantid}}/v2.0", "https://evil.example/{tid}/v2.0", "", 7]
)
async def test_metadata_that_names_no_tenant_is_not_believed(issuer):
    async with FakeEntra.running(tenant=DOMAIN) as idp, at(idp) as stage:
        said = issuer.format(origin=idp.origin, tid=TENANT) if isinstance(issuer, str) else issuer
        idp.switch(discovery={"issuer": said})
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
        assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.row("UI-14")
@pytest.mark.proves("entra", "a domain that becomes another tenant's")
async def test_a_domain_that_changed_hands_is_not_followed():
    async with FakeEntra.running(tenant=DOMAIN) as idp, at(idp) as stage:
        await stage.sign_in()
        idp.switch(discovery={"issuer": idp.issuer_of(OTHER)})
        stage.now.forward(2 * 86400)
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
        assert caught.value.reason == "metadata_issuer_changed"


@pytest.mark.proves("entra", "v1.0 tokens")
async def test_v1_tokens_are_refused_with_what_to_do(idp):
    idp.switch(v1_token=True)
    async with at(idp) as stage:
        refused = await stage.refused()
    assert type(refused) is ServerError
    assert "requestedAccessTokenVersion" in str(refused.detail)
    claims = {**recorded("entra/id_token.claims.json"), "ver": "1.0"}
    connector, _ = made("entra/openid-configuration.common.v2.json", claims, **COMMON)
    with pytest.raises(UpstreamInvalid, match="requestedAccessTokenVersion"):
        await finish(connector)


# ── Who ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "the subject is tenant and object id")
@pytest.mark.row("UI-14")
async def test_a_new_app_registration_changes_nobody(idp):
    async with at(idp) as stage:
        before = await stage.sign_in()
        idp.switch(pairwise_sub_changes=True)
        after = await stage.sign_in()
    assert before.id_token["sub"] != after.id_token["sub"]
    assert before.subject == after.subject


@pytest.mark.row("UI-14")
async def test_the_same_object_id_in_another_tenant_is_somebody_else(common):
    async with at(common, allow_any_tenant=True) as stage:
        first = await stage.sign_in()
        common.switch(wrong_tenant=True)
        assert (await stage.sign_in()).subject != first.subject


@pytest.mark.parametrize("oid", [None, "", "short", f"{ANN}|{ANN}", 7])
@pytest.mark.proves("entra", "a token without an object id")
async def test_without_an_object_id_there_is_nobody(oid):
    claims = {**recorded("entra/id_token.claims.json"), "oid": oid}
    connector, _ = made(
        "entra/openid-configuration.common.v2.json", claims, **COMMON | {"allowed_tenants": [HOME]}
    )
    with pytest.raises(UpstreamInvalid, match="the scope profile") as caught:
        await finish(connector)
    assert caught.value.reason == "oid_missing"


# ── Whose address ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "an e-mail address that nobody proved")
@pytest.mark.row("UI-03")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    ("said", "verified"),
    [
        (True, True),
        ("true", True),
        ("1", True),
        (1, True),
        ("missing", False),
        *((odd, False) for odd in (False, "false", "0", 0, "", "True", "yes", 1.0, 2, [], [True], {"a": 1})),
    ],
    ids=str,
)
async def test_an_address_is_proved_only_where_entra_says_that_its_domain_is(common, said, verified):
    common.switch(xms_edov=said)
    async with at(common, allow_any_tenant=True) as stage:
        claims = await mapped(stage)
    assert claims["email_verified"] is verified
    assert ("email" in claims) is verified


@pytest.mark.proves("entra", "trust in the addresses of one tenant")
@pytest.mark.row("UI-03")
async def test_the_operator_may_trust_the_addresses_of_one_tenants_own_people(idp):
    idp.switch(xms_edov="missing")
    async with at(idp) as stage:
        assert (await mapped(stage))["email_verified"] is False
    async with at(idp, trust_email=True, allow_guests=True) as stage:
        assert (await mapped(stage))["email"] == "AbeLi@example.com"
        idp.switch(guest=HOME)  # whose address is another tenant's word
        assert (await mapped(stage))["email_verified"] is False


@pytest.mark.parametrize(("said", "vouched"), [(True, True), (False, False), ("missing", False)])
async def test_who_vouches_for_an_address_is_known_to_maps(idp, said, vouched):
    idp.switch(xms_edov=said)
    async with at(idp) as stage:
        documents = told_by(stage.upstream, await stage.sign_in())
    assert documents.upstream.get("email_vouched_by") == (idp.issuer if vouched else None)


async def test_an_address_of_userinfo_is_not_proved_by_that_of_the_token(idp):
    async with at(idp, get_user_info=True) as stage:
        idp.switch(userinfo={"email": "victim@example.com"})
        claims = await mapped(stage)
    assert claims["email_verified"] is False
    assert "email" not in claims


@pytest.mark.proves("entra", "`email_verified`, which an administrator's claims mapping can make up")
@pytest.mark.row("UI-03")
async def test_a_word_that_entra_does_not_say_proves_no_address(idp):
    victim = {"email": "victim@example.com", "email_verified": True}
    idp.switch(xms_edov="missing", claims=victim, userinfo=victim)
    for keys in ({}, {"get_user_info": True}):
        async with at(idp, **keys) as stage:
            claims = await mapped(stage)
            assert claims["email_verified"] is False
            assert "email" not in claims
            documents = told_by(stage.upstream, await stage.sign_in())
            assert documents.upstream.get("email_vouched_by") is None


# ── Groups ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "groups overage through Graph, paged")
@pytest.mark.row("UI-09")
@pytest.mark.parametrize("how", ["groups_overage", "hasgroups"])
async def test_groups_that_are_too_many_for_a_token_come_from_graph(idp, how):
    idp.switch(**{how: True})
    async with at(idp) as stage:
        assert (await mapped(stage))["groups"] == [group(1), group(2), group(3)]
    pages = idp.seen("member_groups")
    assert [page.query.get("$skiptoken") for page in pages] == [None, "2"]
    assert all(page.headers["Authorization"].startswith("Bearer opaque-") for page in pages)


@pytest.mark.proves("entra", "a hostile address for the groups in the token")
@pytest.mark.row("UI-09")
@pytest.mark.row("UP-03")
async def test_the_address_in_the_token_is_never_followed(idp):
    idp.switch(overage_endpoint_hostile=True)
    async with at(idp) as stage:
        assert (await mapped(stage))["groups"] == [group(1), group(2), group(3)]
    assert not idp.seen("hostile")


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"groups": "src1"}},
        {"_claim_names": "groups"},
        {"_claim_names": ["groups"]},
        {"_claim_names": None},
        {"hasgroups": True},
        {"hasgroups": "true"},
        {"hasgroups": 1},
        {"hasgroups": None},
    ],
    ids=str,
)
@pytest.mark.row("UI-09")
async def test_whatever_may_mean_too_many_groups_is_taken_for_it(claims):
    said = {**recorded("entra/id_token.claims.json"), **claims}
    del said["groups"]
    connector, desk = made(
        "entra/openid-configuration.common.v2.json", said, tenant="common", allowed_tenants=[HOME]
    )
    asked = []

    async def post_json(url, body, *, bearer=None):
        asked.append(url)
        raise UpstreamInvalid("graph_is_asked")

    desk.post_json = post_json
    with pytest.raises(UpstreamInvalid, match="graph_is_asked"):
        await finish(connector)
    assert asked == ["https://graph.microsoft.com/v1.0/me/getMemberGroups"]


@pytest.mark.parametrize(
    "claims", ["entra/id_token.claims.groups-overage.json", "entra/id_token.claims.hasgroups-implicit.json"]
)
def test_recorded_overages_are_recognised(claims):
    assert entra._too_many(recorded(claims))
    assert not entra._too_many(recorded("entra/id_token.claims.json"))
    assert not entra._too_many({"_claim_names": {"photos": "src1"}, "hasgroups": False})


@pytest.mark.proves("entra", "Graph that is forbidden, busy or down: no login with half the groups")
@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ({"graph_403": True}, ServerError),
        ({"graph_400": True}, ServerError),
        ({"graph_token_for_another_api": True}, ServerError),
        ({"graph_429": True}, TemporarilyUnavailable),
        ({"member_groups": "500"}, TemporarilyUnavailable),
        ({"member_groups": "drop"}, TemporarilyUnavailable),
        ({"member_groups": "not_json"}, ServerError),
        ({"member_groups": "redirect"}, ServerError),
        ({"member_groups": "oversize"}, ServerError),
    ],
    ids=str,
)
async def test_without_an_answer_of_graph_there_is_no_login(idp, switch, kind):
    idp.switch(groups_overage=True, **switch)
    async with at(idp) as stage:
        assert type(await stage.refused()) is kind


@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/me",
        "{origin}.evil.example/v1.0/x",
        "{origin}@evil.example/v1.0/x",
        "//evil.example",
        "{origin}/beta/x",
        7,
    ],
)
@pytest.mark.proves("entra", "a next page somewhere else")
async def test_the_next_page_is_at_graph_or_there_is_no_login(idp, link):
    said = link.format(origin=idp.origin) if isinstance(link, str) else link
    idp.switch(groups_overage=True, graph_next_link=said)
    async with at(idp) as stage:
        assert (await stage.refused()).reason == "graph_next_link_elsewhere"


@pytest.mark.row("UI-09")
async def test_pages_without_end_end_the_login(idp):
    idp.switch(groups_overage=True, graph_next_link=f"{idp.origin}/v1.0/me/getMemberGroups?$skiptoken=0")
    async with at(idp) as stage:
        assert (await stage.refused()).reason == "graph_endless"
    assert len(idp.seen("member_groups")) == 2


@pytest.mark.row("UI-09")
@pytest.mark.proves("entra", "more groups than the operator takes")
async def test_more_groups_than_are_taken_end_the_login(idp):
    idp.switch(groups_overage=11, graph_page=100)
    async with at(idp, max_groups=10) as stage:
        assert (await stage.refused()).reason == "graph_too_many_groups"
    async with at(idp, max_groups=11) as stage:
        assert len((await stage.sign_in()).api["groups"]) == 11


@pytest.mark.row("UI-09")
@pytest.mark.parametrize(
    "page", [{}, {"value": None}, {"value": "all"}, {"value": [1]}, {"value": [""]}, [], "all"], ids=str
)
async def test_a_page_that_is_none_ends_the_login(page):
    connector, desk = made(
        "entra/openid-configuration.common.v2.json",
        {**recorded("entra/id_token.claims.groups-overage.json")},
        tenant="common",
        allowed_tenants=[HOME],
    )

    async def post_json(url, body, *, bearer=None):
        return Answer(200, "application/json", json.dumps(page).encode())

    desk.post_json = post_json
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "graph_malformed"


@pytest.mark.proves("entra", "groups from Graph at every login, or never")
async def test_graph_is_asked_when_the_operator_says(idp):
    async with at(idp, get_groups="always", security_groups_only=True) as stage:
        assert (await mapped(stage))["groups"] == [group(1), group(2), group(3)]
    idp.switch(groups_overage=True)
    async with at(idp, get_groups="never") as stage:
        assert "groups" not in await mapped(stage)
    assert len(idp.seen("member_groups")) == 2


@pytest.mark.proves("entra", "names of groups, a thousand at a time")
async def test_names_of_groups_are_had_a_thousand_at_a_time(idp):
    async with at(idp, group_names=True, max_groups=2000) as stage:
        identity = await stage.sign_in()
        assert identity.api["group_names"] == ["Group 1", "Group 2"]
        assert "groups" not in identity.api
        idp.switch(groups_overage=1100, graph_page=1000)
        identity = await stage.sign_in()
    assert identity.api["group_names"] == [f"Group {number}" for number in range(1, 1101)]
    assert len(idp.seen("by_ids")) == 3


def test_what_graph_documents_is_what_is_asked_and_read():
    asked, members = recorded("entra/graph.getByIds.json"), recorded("entra/graph.getMemberGroups.json")
    assert asked["request"]["max_ids"] == entra_graph.IDS_AT_ONCE
    assert members["page1"]["@odata.nextLink"].startswith(f"{settings().graph_url}/v1.0/")


async def test_pages_that_graph_documents_are_read_to_their_end():
    members, names = recorded("entra/graph.getMemberGroups.json"), recorded("entra/graph.getByIds.json")
    pages = [members["page1"], members["page2"], names["response"]]
    asked = []

    class Http:
        async def post_json(self, url, body, *, bearer=None):
            asked.append((urlsplit(url).path, body, bearer))
            return Answer(200, "application/json", json.dumps(pages[len(asked) - 1]).encode())

    graph = entra_graph.Graph(Http(), settings().graph_url, "token", most=10)
    ids = await graph.groups(security_only=False)
    assert ids == [group(1), group(2), group(3)]
    assert await graph.names(ids[:1]) == ["Platform Admins"]
    for call, told in zip((asked[0], asked[2]), (members, names), strict=True):
        assert call == (told["request"]["path"], told["request"]["body"], "token")


# ── Step-up and freshness ─────────────────────────────────────────────────────────────────────

GOLD = ClaimsRequest(id_token={"acr": ClaimAsk(essential=True, values=("gold",))})


@pytest.mark.proves("entra", "step-up by an authentication context, and the answer checked")
async def test_an_authentication_context_is_asked_for_in_the_claims_and_found_in_the_token(idp):
    async with at(idp, pass_through={"acr_values": "pass"}) as stage:
        identity = await stage.sign_in(acr_values=("silver", "c2", "c1"))
        assert identity.acr == "c2"
        asked = idp.seen("authorize")[-1].query
        assert json.loads(asked["claims"]) == {"id_token": {"acrs": {"essential": True, "value": "c2"}}}
        assert "acr_values" not in asked
        assert (await stage.sign_in()).acr is None
        assert "claims" not in idp.seen("authorize")[-1].query


@pytest.mark.parametrize("acrs", [[], ["c1"], "c1", ["c22"], "c2 c3", [2], {"c2": 1}, None], ids=str)
async def test_a_context_that_was_not_reached_is_no_step_up(idp, acrs):
    idp.switch(acrs=[] if acrs is None else acrs)
    async with at(idp, acr={"gold": "c2"}) as stage:
        refused = await stage.refused(acr_values=("gold",), claims=GOLD)
        assert type(refused) is UnmetAuthenticationRequirements


@pytest.mark.parametrize("acrs", ["c2", ["c1", "c2"]])
async def test_a_context_that_was_reached_is_told_in_our_words(idp, acrs):
    idp.switch(acrs=acrs)
    async with at(idp, acr={"gold": "c2"}) as stage:
        assert (await stage.sign_in(claims=GOLD)).acr == "gold"


@pytest.mark.proves("entra", "prompt=login and max_age, with and without the optional claim auth_time")
async def test_a_fresh_login_wants_the_optional_claim_or_the_operators_trust(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        assert (await stage.sign_in(prompt=("login",))).auth_time == int(stage.now())
        idp.optional.discard("auth_time")
        assert type(await stage.refused(prompt=("login",))) is LoginRequired
    async with at(idp, freshness="trusted") as stage:
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now())


@pytest.mark.proves("entra", "max_age, should Entra not mind it")
async def test_a_session_older_than_asked_makes_one_more_login_with_a_prompt(idp):
    idp.switch(ignores_max_age=True)
    async with at(idp) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        login = stage.login(max_age=60)
        answer = await login.at_the_upstream()
        with pytest.raises(UpstreamDetour) as caught:
            await login.finish(answer)
        again = stage.login(max_age=60, detour=caught.value.detour)
        assert (await again.finish(await again.at_the_upstream())).auth_time == int(stage.now())
        assert asked_of(again.url)["prompt"] == "login"
        idp.switch(ignores_prompt=True)
        stage.now.forward(100)
        assert type(await stage.refused(max_age=60, detour="login_required")) is LoginRequired


@pytest.mark.parametrize(
    ("prompt", "sent", "hint"),
    [
        ((), None, "abe"),
        (("login",), "login", "abe"),
        (("select_account",), "select_account", None),
        (("select_account", "login"), "login", "abe"),
    ],
    ids=str,
)
async def test_entra_is_asked_one_thing_at_a_time(idp, prompt, sent, hint):
    async with at(idp, pass_through={"login_hint": "pass"}) as stage:
        asked = asked_of(await stage.login(prompt=prompt, login_hint="abe").begin())
    assert (asked.get("prompt"), asked.get("login_hint")) == (sent, hint)


async def test_people_are_sent_on_to_their_domain(idp):
    async with at(idp, domain_hint="contoso.example") as stage:
        assert asked_of(await stage.login().begin())["domain_hint"] == "contoso.example"


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves(
    "entra", "`interaction_required` at the token endpoint, with and without a claims challenge"
)
@pytest.mark.parametrize(
    ("challenge", "sent"),
    [
        (True, {"prompt": "login"}),
        (
            '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}',
            {"claims": {"access_token": {"acrs": {"essential": True, "value": "c1"}}}},
        ),
        ("no JSON", {"prompt": "login"}),
        ("[1]", {"prompt": "login"}),
        (json.dumps({"access_token": "x" * 2000}), {"prompt": "login"}),
    ],
    ids=["nothing", "a challenge", "no JSON", "no object", "too long"],
)
async def test_a_demand_at_the_token_endpoint_begins_the_login_once_more(idp, challenge, sent):
    idp.switch(interaction_required_at_token=challenge)
    async with at(idp) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        with pytest.raises(UpstreamDetour) as caught:
            await login.finish(answer)
        again = stage.login(detour=caught.value.detour)
        asked = asked_of(await again.begin())
        told = {name: asked[name] for name in ("prompt", "claims") if name in asked}
        if "claims" in told:
            told["claims"] = json.loads(told["claims"])
        assert told == sent
        assert (await again.finish(await idp.sign_in(again.url))).subject == f"{TENANT}|{ANN}"


async def test_a_challenge_and_a_context_are_asked_for_together(idp):
    async with at(idp, pass_through={"acr_values": "pass"}) as stage:
        login = stage.login(detour='claims {"access_token":{}}', acr_values=("c1",))
        claims = json.loads(asked_of(await login.begin())["claims"])
    assert claims.keys() == {"id_token", "access_token"}


@pytest.mark.parametrize("error", ["interaction_required", "login_required", "consent_required"])
async def test_a_demand_that_comes_again_is_told_and_no_circle(idp, error):
    kind = {"interaction_required": InteractionRequired, "login_required": LoginRequired}.get(
        error, ConsentRequired
    )
    idp.switch(aadsts_error_body=(error, 50076))
    async with at(idp) as stage:
        login = stage.login(detour=error)
        answer = await login.at_the_upstream()
        with pytest.raises(kind):
            await login.finish(answer)


@pytest.mark.parametrize(
    ("error", "prompt"),
    [("login_required", "login"), ("interaction_required", "login"), ("consent_required", "consent")],
)
async def test_a_demand_on_the_callback_begins_the_login_once_more(idp, error, prompt):
    idp.switch(callback_error=(error, "AADSTS50058: nobody is signed in"))
    async with at(idp) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        with pytest.raises(UpstreamDetour) as caught:
            await login.finish(answer)
        again = stage.login(detour=caught.value.detour)
        answer = await again.at_the_upstream()
        assert asked_of(again.url)["prompt"] == prompt
        assert (await again.finish(answer)).subject == f"{TENANT}|{ANN}"


@pytest.mark.proves("entra", "prompt=login, which no demand of Entra's on the callback can soften")
@pytest.mark.row("CB-30")
@pytest.mark.parametrize("error", ["consent_required", "account_selection_required", "interaction_required"])
async def test_a_fresh_login_that_was_asked_for_is_asked_for_again_after_a_detour(idp, error):
    async with at(idp, freshness="trusted") as stage:
        login = stage.login(prompt=("login",))
        await login.begin()
        with pytest.raises(UpstreamDetour) as caught:  # whoever holds the browser can write this answer
            await login.finish({"error": error, "error_description": "AADSTS65001", "state": login.state})
        again = await stage.login(prompt=("login",), detour=caught.value.detour).begin()
    assert asked_of(again)["prompt"] == "login"


HEARD = {
    "access_denied": AccessDenied,
    "login_required": LoginRequired,
    "interaction_required": InteractionRequired,
    "consent_required": ConsentRequired,
    "temporarily_unavailable": TemporarilyUnavailable,
}


@pytest.mark.proves("entra", "errors are read by their OAuth name; the AADSTS number goes to the log")
@pytest.mark.parametrize("row", recorded("entra/callback.errors.json"), ids=lambda row: str(row)[:60])
async def test_each_error_that_entra_documents_is_heard_for_what_it_is(idp, row):
    async with at(idp) as stage:
        login = stage.login(detour="login_required")
        await login.begin()
        with pytest.raises(HEARD.get(row["error"], ServerError)) as caught:
            await login.finish({**row, "state": login.state})
    assert row.get("error_description", "")[:11] in str(caught.value.detail)
    assert "AADSTS" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "number", "kind"),
    [
        ("invalid_client", 7000215, ServerError),
        ("invalid_client", 7000222, ServerError),
        ("unauthorized_client", 700016, ServerError),
        ("invalid_grant", 54005, ServerError),
        ("invalid_scope", 70011, ServerError),
        ("temporarily_unavailable", 90033, TemporarilyUnavailable),
    ],
)
async def test_a_no_of_the_token_endpoint_is_a_fault_and_its_number_is_in_the_log(idp, error, number, kind):
    idp.switch(aadsts_error_body=(error, number))
    async with at(idp) as stage:
        refused = await stage.refused()
    assert type(refused) is kind
    if kind is ServerError:
        assert refused.reason == f"token_{error}"
        assert f"AADSTS{number}" in str(refused.detail)


async def test_a_number_without_a_text_is_told_all_the_same():
    body = {**recorded("entra/token.error.json"), "error_description": "no"}
    connector, desk = made()

    async def post(url, form, *, basic=None, bearer=None):
        return Answer(400, "application/json", json.dumps(body).encode())

    desk.post = post
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert (caught.value.reason, caught.value.detail) == ("token_invalid_scope", "AADSTS70011: no")


# ── Asking again ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "asking again: a new refresh token each time, groups from Graph anew")
async def test_asking_again_brings_groups_anew_and_another_refresh_token(idp):
    async with at(idp, scope="openid profile email offline_access", upstream_refresh="always") as stage:
        first = await stage.sign_in()
        idp.switch(groups_overage=4)
        second = await stage.upstream.refresh(first.keep)
        assert second.api["groups"] == [group(number) for number in range(1, 5)]
        assert (second.issuer, second.subject) == (first.issuer, first.subject)
        assert second.keep["refresh_token"] != first.keep["refresh_token"]


@pytest.mark.proves("entra", "a refresh that is refused, or wants the person")
async def test_a_refresh_that_entra_refuses_ends_what_stands_on_it(idp):
    async with at(idp, scope="openid profile email offline_access", upstream_refresh="always") as stage:
        first = await stage.sign_in()
        for error in ("invalid_grant", "interaction_required"):
            idp.switch(aadsts_error_body=(error, 50076))
            with pytest.raises(AccessDenied):
                await stage.upstream.refresh(first.keep)
        idp.switch(aadsts_error_body=("invalid_client", 7000222))
        with pytest.raises(ServerError):
            await stage.upstream.refresh(first.keep)
        idp.switch(aadsts_error_body=None, groups_overage=True, graph_403=True)
        with pytest.raises(ServerError):
            await stage.upstream.refresh(first.keep)


# ── What an operator may write ────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "what could let a stranger in stops the start")
@pytest.mark.row("CB-33")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"tenant": "common"}, "allowed_tenants: missing"),
        ({"tenant": "organizations"}, "allowed_tenants: missing"),
        ({"tenant": "everyone"}, "is a tenant's id"),
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant": "common", "allowed_tenants": ["contoso.example"]}, "domains can change hands"),
        ({"tenant": "common", "allowed_tenants": [TENANT], "allow_any_tenant": True}, "allow_any_tenant"),
        ({"allow_any_tenant": True}, "allow_any_tenant"),
        ({"allow_consumers": True}, "allow_consumers"),
        ({"tenant": "organizations", "allow_any_tenant": True, "allow_consumers": True}, "allow_consumers"),
        ({"tenant": "consumers", "allowed_tenants": [TENANT]}, "consumers is a tenant by itself"),
        ({"allowed_tenants": [OTHER]}, "cannot be of another"),
        ({"tenant": "common", "allow_any_tenant": True, "trust_email": True}, "trust_email"),
        ({"tenant": "consumers", "trust_email": True}, "trust_email"),
        ({"scope": "openid email"}, "must contain profile"),
        ({"scope": "openid profile api://mine/read"}, "another API than Microsoft Graph"),
        ({"scope": "openid profile https://graph.microsoft.us/User.Read"}, "another API"),
        ({"max_groups": 0}, "max_groups"),
        ({"max_groups": 11001}, "max_groups"),
        ({"max_groups": True}, "max_groups"),
        ({"cloud": "germany"}, "cloud"),
    ],
    ids=str,
)
def test_what_is_not_safe_or_cannot_work_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"scope": "openid profile https://graph.microsoft.com/User.Read"},
        {"scope": "openid profile User.Read GroupMember.Read.All"},
        {"scope": "openid profile api://mine/read", "get_groups": "never"},
        {"tenant": DOMAIN, "trust_email": True, "allowed_tenants": [TENANT]},
        {"allowed_tenants": [TENANT.upper()]},
    ],
    ids=str,
)
def test_what_can_work_may_be_written(keys):
    assert settings(**keys).tenant


# ── The fake itself ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tenant", "document"),
    [(TENANT, "entra/openid-configuration.json"), ("common", "entra/openid-configuration.common.v2.json")],
)
async def test_the_fake_publishes_what_entra_publishes(tenant, document):
    real = recorded(document)
    async with FakeEntra.running(tenant=tenant) as fake, aiohttp.ClientSession() as http:
        said = await (await http.get(fake.url("discovery"))).json()
        keys = (await (await http.get(fake.url("jwks"))).json())["keys"]
    assert said.keys() == real.keys()
    for name, value in real.items():
        if isinstance(value, str) and value.startswith("https://login.microsoftonline.com"):
            assert said[name] == value.replace("https://login.microsoftonline.com", fake.origin)
        elif isinstance(value, list):
            assert said[name] == value
    shown = recorded("entra/jwks.common.v2.shape.json")["keys"][0]
    assert all(key.keys() == shown.keys() and key["x5t"] == key["kid"] for key in keys)


async def test_the_fakes_tokens_have_the_claims_of_entras(idp):
    async with at(idp) as stage:
        claims = (await stage.sign_in()).id_token
        assert recorded("entra/id_token.claims.json").keys() - {"login_hint"} <= claims.keys()
        idp.switch(groups_overage=True)
        too_many = recorded("entra/id_token.claims.groups-overage.json")
        claims = (await stage.sign_in()).id_token
        assert too_many.keys() <= claims.keys()
        assert "groups" not in claims
        idp.switch(guest=True)
    async with at(idp, allow_guests=True) as stage:
        guest = recorded("entra/id_token.claims.guest.json")
        claims = (await stage.sign_in()).id_token
        assert guest.keys() <= claims.keys()
        assert claims["acct"] == guest["acct"]


async def exchange(fake, form):
    body = {"client_id": "broker", "client_secret": fake.client_secret, **form}
    async with aiohttp.ClientSession() as http, http.post(fake.url("token"), data=body) as answer:
        return answer.status, await answer.json()


async def test_the_fake_answers_a_code_like_entra_and_only_once(idp):
    clock = [1_700_000_000.0]
    idp.now = lambda: clock[0]
    params = "response_type=code&client_id=broker&redirect_uri=https://x.example/&scope=openid+profile+offline_access"
    url = f"{idp.url('authorize')}?{params}&code_challenge={'x' * 43}&code_challenge_method=S256"
    idp.pkce = False
    url = url.partition("&code_challenge")[0]
    form = {"grant_type": "authorization_code", "redirect_uri": "https://x.example/"}
    form["code"] = (await idp.sign_in(url))["code"]
    status, tokens = await exchange(idp, form)
    assert status == 200
    assert tokens.keys() == recorded("entra/token.response.json").keys()
    status, again = await exchange(idp, form)
    assert (status, again.keys()) == (400, recorded("entra/token.error.json").keys())
    assert (again["error"], again["error_codes"]) == ("invalid_grant", [54005])
    form["code"] = (await idp.sign_in(url))["code"]
    clock[0] += 601
    assert (await exchange(idp, form))[1]["error_codes"] == [70008]
    status, wrong = await exchange(idp, {**form, "client_secret": "wrong"})
    assert (status, wrong["error_codes"]) == (401, [7000215])
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    _, second = await exchange(idp, refresh)
    assert second["refresh_token"] != tokens["refresh_token"]
    assert (await exchange(idp, refresh))[0] == 200  # the old one is not revoked


async def test_the_fakes_graph_says_no_like_graph(idp):
    idp.switch(graph_403=True)
    url = f"{idp.origin}/v1.0/me/getMemberGroups"
    real = recorded("entra/graph.error.json")
    async with aiohttp.ClientSession() as http, http.post(url, json={"securityEnabledOnly": False}) as answer:
        said = await answer.json()
        assert (answer.status, said["error"]["code"]) == (real["status"], real["body"]["error"]["code"])
        assert said["error"].keys() == real["body"]["error"].keys()


async def test_the_fakes_userinfo_is_entras(idp):
    idp.person(ANN, name="Mikah", family_name="Ollenburg", given_name="Mikah", email="mikoll@contoso.example")
    async with at(idp, get_user_info=True) as stage:
        assert (await stage.sign_in()).userinfo.keys() == recorded("entra/userinfo.json").keys()


# ── What an operator is told ──────────────────────────────────────────────────────────────────


@pytest.mark.proves("entra", "what works and what does not, told to the operator")
@pytest.mark.parametrize("tenant", [TENANT, DOMAIN, "common"])
async def test_the_operator_hears_which_metadata_is_taken(tenant):
    async with FakeEntra.running(tenant=tenant) as idp, at(idp, allowed_tenants=[TENANT]) as stage:
        for finding in await stage.upstream.probe():
            assert finding.good is not False, finding
        idp.switch(discovery={"issuer": "https://evil.example/"})
        assert {finding.what: finding.good for finding in await stage.upstream.probe()}["issuer"] is False


# ── A certificate instead of a secret ─────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A key, and a file with its certificate."""
    key, name = Key("ours"), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    day = datetime(2024, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.private.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + timedelta(days=9999))
        .sign(key.private, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("entra") / "certificate.pem"
    path.write_bytes(b"subject=/CN=broker\n" + made.public_bytes(serialization.Encoding.PEM))
    return key, path, b64(made.fingerprint(hashes.SHA256()))


@pytest.mark.proves("entra", "a certificate instead of a secret: PS256, found by its thumbprint")
@pytest.mark.row("UP-18")
async def test_a_certificate_proves_who_we_are_by_its_thumbprint(idp, certificate):
    key, path, thumbprint = certificate
    pem = key.private_pem().decode()
    idp.auth_method = "private_key_jwt"
    async with at(idp, client_secret=None, private_key=pem, certificate=str(path)) as stage:
        (jwk,) = stage.upstreams.public_jwks("up")["keys"]
        idp.client_jwks = {"keys": [{name: jwk[name] for name in ("kty", "n", "e")}]}
        assert (await stage.sign_in()).subject == f"{TENANT}|{ANN}"
    header, payload, _ = idp.seen("token")[0].form["client_assertion"].split(".")
    assert read_part(header) == {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    said = read_part(payload)
    assert said["aud"] == idp.url("token")
    assert said["iss"] == said["sub"] == idp.client_id
    assert said["nbf"] == said["iat"]


def read_part(part):
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"client_secret": None, "private_key": "k"}, "certificate: missing"),
        ({"certificate": "{path}"}, "private_key: missing"),
        ({"client_secret": None, "private_key": "k", "certificate": "/nowhere"}, "there is no file"),
        ({"client_secret": None, "private_key": "k", "certificate": __file__}, "there is none in"),
    ],
    ids=str,
)
def test_a_key_and_its_certificate_come_together(certificate, keys, said):
    path = str(certificate[1])
    with pytest.raises(ValidationError) as caught:
        settings(**{name: path if value == "{path}" else value for name, value in keys.items()})
    assert said in str(caught.value)
