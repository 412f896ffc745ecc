"""Azure AD B2C: which policy, which tenant, the way round for a forgotten password, and no userinfo."""

import json
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from pydantic import ValidationError

from broker.connector import Answer, UpstreamDetour, UpstreamInvalid
from broker.mapping import Documents, apply
from broker.protocol.errors import AccessDenied, LoginRequired, ServerError, TemporarilyUnavailable
from connectors import azure_b2c
from tests.connectors.desk import LOGIN, Desk, finish, recorded
from tests.connectors.stage import opened
from tests.fakes.azure_b2c import JANE, NAME, POLICY, RESET, TENANT, FakeB2C

SECRET = {"client_id": "90c0fe63-bcf2-44d5-8fb7-b8bbc0b29dc6", "client_secret": "secret"}
OTHER = "99999999-2222-3333-4444-555555555555"
VOUCHES = f"https://{NAME}.b2clogin.com/{TENANT}/v2.0/"


def settings(**keys):
    return azure_b2c.Settings.model_validate({**SECRET, "tenant": NAME, "policy": POLICY, **keys})


def made(document="azure-b2c/openid-configuration.json", claims=None, **keys):
    said = settings(**keys)
    told = recorded("azure-b2c/id_token.claims.json") if claims is None else claims
    shown = recorded(document) if isinstance(document, str) else document
    desk = Desk(told, {said.document_url(said.policy): shown})
    return azure_b2c.Connector(said, desk.tools), desk


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def idp():
    async with FakeB2C.running() as provider:
        yield provider


def at(idp, **more):
    entry = {
        "type": "azure_b2c",
        "tenant": NAME,
        "policy": POLICY,
        "custom_domain": idp.origin.removeprefix("http://"),
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
        **more,
    }
    return opened(idp, {"up": {name: value for name, value in entry.items() if value is not None}})


async def mapped(stage):
    identity = await stage.sign_in()
    documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo, api=identity.api)
    return apply(stage.upstream.claims_map, documents).claims


async def way_round(stage, login, answer=None):
    """The login that begins once more, and why."""
    answer = answer or await login.at_the_upstream()
    with pytest.raises(UpstreamDetour) as caught:
        await login.finish(answer)
    return stage.login(detour=caught.value.detour), caught.value.detour


# ── What Microsoft publishes ──────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "metadata with the GUID issuer and with the tfp issuer, as published")
@pytest.mark.parametrize(
    "document", ["azure-b2c/openid-configuration.json", "azure-b2c/openid-configuration.tfp-issuer.json"]
)
async def test_what_b2c_publishes_is_understood(document):
    connector, desk = made(document)
    asked = asked_of((await connector.begin(LOGIN)).url)
    assert (asked["scope"], asked["code_challenge_method"]) == ("openid", "S256")
    identity = await finish(connector)
    assert (identity.issuer, identity.subject) == (VOUCHES, "884408e1-2918-4c00-b12d-3aa027d7563b")
    assert identity.api == {"tenant": TENANT, "email": "jane@example.com", "email_verified": False}
    base = f"https://{NAME}.b2clogin.com/{NAME}.onmicrosoft.com/b2c_1_susi/oauth2/v2.0"
    assert desk.posted[0]["url"] == f"{base}/token"
    assert desk.posted[0]["form"]["client_secret"] == "secret"
    assert desk.posted[0]["basic"] is None
    assert desk.expected.issuer.exact == {recorded(document)["issuer"]}


@pytest.mark.proves("azure_b2c", "metadata that lists no client authentication")
async def test_an_empty_list_of_methods_means_the_form(idp):
    assert (
        recorded("azure-b2c/openid-configuration.v1path.json")["token_endpoint_auth_methods_supported"] == []
    )
    idp.switch(empty_auth_methods=True)
    async with at(idp) as stage:
        assert (await stage.sign_in()).subject == JANE
    assert "client_secret" in idp.seen("token")[0].form
    async with at(idp, token_endpoint_auth_method="client_secret_basic") as stage:
        assert (await stage.sign_in()).subject == JANE
    assert "Authorization" in idp.seen("token")[1].headers


async def test_metadata_of_the_old_endpoint_is_not_taken_for_the_new():
    connector, _ = made("azure-b2c/openid-configuration.v1path.json", policy="B2C_1_sisopolicy")
    with pytest.raises(UpstreamInvalid) as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_issuer_mismatch"


# ── Which tenant, which policy ────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "both forms of the issuer make the same person")
@pytest.mark.row("UI-14")
async def test_the_form_of_the_issuer_makes_nobody_somebody_else(idp):
    seen = []
    for form in ({"guid_issuer": True}, {"tfp_issuer": True}, {"guid_issuer": False}):
        idp.reset()
        idp.switch(**form)
        async with at(idp) as stage:
            seen.append(await stage.sign_in())
    assert {(one.issuer, one.subject) for one in seen} == {(VOUCHES, JANE)}
    assert len({one.id_token["iss"] for one in seen}) == 2


@pytest.mark.proves("azure_b2c", "an issuer with the tenant's name, at a custom domain")
async def test_an_issuer_by_name_needs_the_tenants_id(idp):
    idp.switch(name_issuer=True)
    async with at(idp, tenant_id=TENANT) as stage:
        assert (await stage.sign_in()).issuer == VOUCHES
    async with at(idp) as stage:
        with pytest.raises(TemporarilyUnavailable):
            await stage.login().begin()


@pytest.mark.proves("azure_b2c", "metadata of another tenant, host or policy")
@pytest.mark.row("CB-34")
@pytest.mark.parametrize(
    "issuer",
    [
        f"https://evil.example/{TENANT}/v2.0/",
        f"{{origin}}/{TENANT}/v2.0",
        f"{{origin}}/{OTHER}/v2.0/",
        f"{{origin}}/tfp/{TENANT}/b2c_1_another/v2.0/",
        f"{{origin}}/tfp/{TENANT}/v2.0/",
        f"{{origin}}/{TENANT}/b2c_1_susi/v2.0/",
        f"{{origin}}/tfp/{TENANT}/b2c_1_susi/x/v2.0/",
        "",
        7,
    ],
)
async def test_metadata_of_somebody_else_is_not_believed(idp, issuer):
    said = issuer.format(origin=idp.origin) if isinstance(issuer, str) else issuer
    idp.switch(discovery={"issuer": said})
    async with at(idp, tenant_id=TENANT) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
    assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.row("UI-14")
async def test_a_tenant_that_becomes_another_under_its_name_is_not_followed(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        idp.switch(discovery={"issuer": f"{idp.origin}/{OTHER}/v2.0/"})
        stage.now.forward(2 * 86400)
        with pytest.raises(TemporarilyUnavailable):
            await stage.login().begin()


@pytest.mark.proves("azure_b2c", "a token of another policy, or of another tenant")
@pytest.mark.row("CB-34")
@pytest.mark.parametrize(
    ("switch", "reason"),
    [
        ({"wrong_policy": True}, "policy_mismatch"),
        ({"wrong_policy": f"{POLICY}2"}, "policy_mismatch"),
        ({"wrong_policy": True, "policy_in_acr": True}, "policy_mismatch"),
        ({"iss": f"https://{NAME}.b2clogin.com/{OTHER}/v2.0/"}, "id_token_iss_mismatch"),
        ({"iss": f"https://{NAME}.b2clogin.com/tfp/{TENANT}/b2c_1_another/v2.0/"}, "id_token_iss_mismatch"),
    ],
    ids=str,
)
async def test_a_token_of_another_policy_is_refused(idp, switch, reason):
    idp.switch(**switch)
    async with at(idp) as stage:
        assert (await stage.refused()).reason == reason


@pytest.mark.parametrize("said", [None, "", 1, [POLICY], {"tfp": POLICY}])
async def test_a_token_without_a_policy_is_refused(said):
    claims = {**recorded("azure-b2c/id_token.claims.json"), "tfp": said, "acr": POLICY}
    connector, _ = made(claims=claims)
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "policy_mismatch"


@pytest.mark.proves("azure_b2c", "the policy in any case, in `tfp` or in `acr`")
@pytest.mark.parametrize("old", [True, False])
async def test_a_policy_is_known_in_any_case_and_in_old_tokens_too(idp, old):
    idp.switch(policy_in_acr=old, wrong_policy=POLICY.upper())
    async with at(idp) as stage:
        assert (await stage.sign_in()).subject == JANE


@pytest.mark.proves("azure_b2c", "endpoints with the policy in the query")
async def test_the_policy_may_be_in_the_query(idp):
    idp.switch(policy_in_query=True)
    async with at(idp) as stage:
        login = stage.login()
        assert (await login.finish(await login.at_the_upstream())).subject == JANE
    assert login.url.count("?") == 1
    assert asked_of(login.url)["p"] == POLICY.lower()


@pytest.mark.row("CB-34")
async def test_a_code_is_good_at_its_own_policy_only(idp):
    async with at(idp) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        idp.issued[answer["code"]] = (idp.now(), "b2c_1_another")
        with pytest.raises(ServerError) as caught:
            await login.finish(answer)
    assert "AADB2C90088" in str(caught.value.detail)


# ── Who, and how to reach them ────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "sign-in: PKCE, secret, ID Token, no access token")
async def test_a_login_without_an_access_token_ends_with_a_person(idp):
    async with at(idp) as stage:
        identity = await stage.sign_in()
        assert await mapped(stage) == {
            "name": "Jane Doe",
            "given_name": "Jane",
            "family_name": "Doe",
            "email_verified": False,
            "tenant": TENANT,
            "home_idp": "google.com",
        }
    assert (identity.issuer, identity.subject) == (VOUCHES, JANE)
    assert identity.auth_time == int(stage.now())
    assert idp.seen("token")[0].form["scope"] == "openid"


@pytest.mark.proves("azure_b2c", "an access token, where one is asked for")
@pytest.mark.parametrize("given", [True, False])
async def test_an_access_token_is_asked_for_by_the_client_id(idp, given):
    idp.switch(string_expires_in=True, **({} if given else {"no_access_token": True}))
    async with at(idp, request_access_token=True) as stage:
        assert (await stage.sign_in()).subject == JANE
    assert idp.seen("authorize")[0].query["scope"] == "openid broker"
    assert idp.seen("token")[0].form["scope"] == "openid broker"


@pytest.mark.proves("azure_b2c", "a policy whose subject is the same text for everybody")
@pytest.mark.row("UI-14")
async def test_a_policy_that_gives_no_subject_signs_nobody_in(idp):
    idp.switch(no_subject=True)
    async with at(idp) as stage:
        refused = await stage.refused()
    assert refused.reason == "sub_not_supported"
    assert "ObjectID" in str(refused.detail)


@pytest.mark.proves("azure_b2c", "a list of addresses, proved only by the operator's word")
@pytest.mark.row("UI-03")
@pytest.mark.parametrize("trusted", [True, False])
async def test_addresses_are_proved_only_by_the_operators_word(idp, trusted):
    async with at(idp, trust_email=trusted) as stage:
        claims = await mapped(stage)
        assert claims["email_verified"] is trusted
        assert claims.get("email") == ("jane@example.com" if trusted else None)
        idp.switch(emails_array_empty=True)
        claims = await mapped(stage)
        assert (claims["email_verified"], "email" in claims) == (False, False)


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"emails": ["a@x.example", "b@x.example"]}, "a@x.example"),
        ({"emails": ["a@x.example"], "email": "c@x.example"}, "c@x.example"),
        ({"emails": None, "signInNames.emailAddress": "d@x.example"}, "d@x.example"),
        ({"emails": "e@x.example"}, None),
        ({"emails": [7]}, None),
        ({"emails": [["f@x.example"]]}, None),
    ],
    ids=str,
)
async def test_the_first_address_that_is_one_counts(claims, email):
    said = {**recorded("azure-b2c/id_token.claims.json"), **claims}
    connector, _ = made(claims=said)
    assert (await finish(connector)).api.get("email") == email


@pytest.mark.parametrize(
    "name", ["azure-b2c/token.response.json", "azure-b2c/token.response.no-access-token.json"]
)
async def test_both_answers_of_the_token_endpoint_are_read(name):
    connector, desk = made()

    async def post(url, form, *, basic=None, bearer=None):
        return Answer(200, "application/json", json.dumps(recorded(name)).encode())

    desk.post = post
    assert (await finish(connector)).subject == JANE


async def test_keys_of_b2c_have_no_algorithm(idp):
    async with aiohttp.ClientSession() as http, http.get(idp.url("jwks")) as answer:
        (key,) = (await answer.json())["keys"]
    assert key.keys() == recorded("azure-b2c/jwks.shape.json")["keys"][0].keys()


# ── A forgotten password ──────────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "a forgotten password (AADB2C90118): there, and back to sign in")
async def test_a_forgotten_password_is_reset_and_then_used(idp):
    async with at(idp, password_reset_policy=RESET) as stage:
        idp.switch(AADB2C90118=True)
        login = stage.login(prompt=("login",), max_age=60)
        there, why = await way_round(stage, login)
        assert why == azure_b2c.RESET
        answer = await there.at_the_upstream()
        assert f"/{RESET.lower()}/" in there.url
        assert not {"prompt", "max_age"} & asked_of(there.url).keys()
        idp.reset()
        back, why = await way_round(stage, there, answer)
        assert why == azure_b2c.BACK
        assert (await back.finish(await back.at_the_upstream())).subject == JANE
        assert f"/{POLICY.lower()}/" in back.url
    assert len(idp.seen("token")) == 1  # the code of the other policy is not redeemed


@pytest.mark.proves("azure_b2c", "a reset that was cancelled (AADB2C90091)")
async def test_a_reset_that_was_cancelled_leads_back_to_signing_in(idp):
    async with at(idp, password_reset_policy=RESET) as stage:
        idp.switch(AADB2C90118=True, AADB2C90091="reset")
        there, _ = await way_round(stage, stage.login())
        back, why = await way_round(stage, there)
        assert why == azure_b2c.BACK
        idp.reset()
        assert (await back.finish(await back.at_the_upstream())).subject == JANE


async def test_a_reset_that_fails_is_an_error(idp):
    async with at(idp, password_reset_policy=RESET) as stage:
        idp.switch(AADB2C90118=True)
        there, _ = await way_round(stage, stage.login())
        idp.switch(b2c_error=("server_error", "90037"))
        answer = await there.at_the_upstream()
        with pytest.raises(ServerError):
            await there.finish(answer)


@pytest.mark.proves("azure_b2c", "tokens of the password policy, outside of the way round")
@pytest.mark.row("CB-34")
@pytest.mark.parametrize("detour", ["", "back_from_password_reset"])
async def test_a_token_of_the_password_policy_signs_nobody_in(idp, detour):
    idp.switch(wrong_policy=RESET)
    async with at(idp, password_reset_policy=RESET) as stage:
        assert (await stage.refused(detour=detour)).reason == "policy_mismatch"


async def test_a_forgotten_password_without_a_policy_for_it_is_no_login(idp):
    idp.switch(AADB2C90118=True)
    async with at(idp) as stage:
        refused = await stage.refused()
    assert type(refused) is AccessDenied
    assert "AADB2C90118" in str(refused.detail)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "cancelled (AADB2C90091)")
async def test_who_cancels_is_not_signed_in(idp):
    idp.switch(AADB2C90091=True)
    async with at(idp) as stage:
        assert type(await stage.refused()) is AccessDenied


HEARD = {
    "AADB2C90118": AccessDenied,
    "AADB2C90091": AccessDenied,
    "AADB2C90077": LoginRequired,
    "AADB2C90035": TemporarilyUnavailable,
}


@pytest.mark.proves("azure_b2c", "errors by B2C's number; the number goes to the log")
@pytest.mark.parametrize(
    "row", recorded("azure-b2c/callback.errors.json"), ids=lambda row: row["error_description"][:11]
)
async def test_each_error_that_b2c_documents_is_heard_for_what_it_is(idp, row):
    number = row["error_description"][:11]
    async with at(idp) as stage:
        login = stage.login()
        await login.begin()
        with pytest.raises(HEARD.get(number, ServerError)) as caught:
            await login.finish({"error": row["error"], "error_description": row["error_description"]})
    assert number in str(caught.value.detail)
    assert number not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "number", "kind"),
    [
        ("server_error", "90157", AccessDenied),
        ("invalid_request", "90035", TemporarilyUnavailable),
        ("invalid_request", "90120", ServerError),
        ("access_denied", "90000", AccessDenied),
    ],
)
async def test_the_number_says_more_than_the_error_beside_it(idp, error, number, kind):
    idp.switch(b2c_error=(error, number))
    async with at(idp) as stage:
        assert type(await stage.refused()) is kind


@pytest.mark.parametrize(
    "row", recorded("azure-b2c/token.errors.json"), ids=lambda row: row["body"]["error_description"][:11]
)
async def test_each_no_of_the_token_endpoint_is_a_fault_of_ours(row):
    connector, desk = made()

    async def post(url, form, *, basic=None, bearer=None):
        return Answer(row["status"], "application/json", json.dumps(row["body"]).encode())

    desk.post = post
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == f"token_{row['body']['error']}"
    assert row["body"]["error_description"][:11] in caught.value.detail


# ── How fresh ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "prompt=login and max_age, checked by auth_time")
async def test_a_fresh_login_is_asked_for_and_the_answer_checked(idp):
    async with at(idp) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        assert (await stage.sign_in(prompt=("select_account",))).auth_time == int(stage.now())
        assert idp.seen("authorize")[-1].query["prompt"] == "login"
        stage.now.forward(100)
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now())
        idp.switch(ignores_prompt=True)
        stage.now.forward(100)
        assert type(await stage.refused(prompt=("login",))) is LoginRequired


# ── Asking again ──────────────────────────────────────────────────────────────────────────────

OFFLINE = {"scope": "openid offline_access", "upstream_refresh": "always"}


@pytest.mark.proves("azure_b2c", "asking again by a refresh token")
async def test_asking_again_says_what_is_true_now(idp):
    async with at(idp, **OFFLINE) as stage:
        first = await stage.sign_in()
        idp.people[JANE]["name"] = "Jane Roe"
        second = await stage.upstream.refresh(first.keep)
    assert second.id_token["name"] == "Jane Roe"
    assert (second.issuer, second.subject) == (first.issuer, first.subject)
    assert second.keep["refresh_token"] != first.keep["refresh_token"]


@pytest.mark.proves("azure_b2c", "a refresh token that is another policy's, or of an account that is gone")
@pytest.mark.parametrize("switch", [{"refresh_wrong_policy": True}, {"refresh": "invalid_grant"}], ids=str)
async def test_a_refresh_that_is_refused_ends_what_stands_on_it(idp, switch):
    async with at(idp, **OFFLINE) as stage:
        first = await stage.sign_in()
        idp.switch(**switch)
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)


# ── What an operator may write ────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "`get_user_info: true` is a mistake at the start, not at a login")
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"get_user_info": True}, "B2C has no userinfo"),
        ({"policy": "susi"}, "policy"),
        ({"policy": "B2C_1_a/../b"}, "policy"),
        ({"tenant": "acme.example"}, "tenant"),
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant_id": "acme"}, "is no tenant id"),
        ({"password_reset_policy": POLICY.lower()}, "the sign-in policy itself"),
        ({"custom_domain": "https://login.acme.example"}, "custom_domain"),
        ({"scope": "profile"}, "must contain openid"),
    ],
    ids=str,
)
def test_what_cannot_work_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({}, "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/B2C_1_susi"),
        (
            {"tenant": "FabrikamB2C.onmicrosoft.com"},
            "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/B2C_1_susi",
        ),
        (
            {"custom_domain": "login.acme.example"},
            "https://login.acme.example/fabrikamb2c.onmicrosoft.com/B2C_1_susi",
        ),
        (
            {"policy": "B2C_1A_signup"},
            "https://fabrikamb2c.b2clogin.com/fabrikamb2c.onmicrosoft.com/B2C_1A_signup",
        ),
    ],
)
def test_each_policy_has_metadata_of_its_own(keys, url):
    said = settings(**keys)
    assert said.document_url(said.policy) == f"{url}/v2.0/.well-known/openid-configuration"


# ── The fake itself ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("switch", "document"),
    [
        ({}, "azure-b2c/openid-configuration.json"),
        ({"tfp_issuer": True}, "azure-b2c/openid-configuration.tfp-issuer.json"),
    ],
)
async def test_the_fake_publishes_what_b2c_publishes(idp, switch, document):
    idp.switch(**switch)
    async with aiohttp.ClientSession() as http, http.get(idp.url("discovery")) as answer:
        said = await answer.json()
    real = json.loads(json.dumps(recorded(document)).replace(f"https://{NAME}.b2clogin.com", idp.origin))
    assert said == real


async def test_the_fakes_tokens_have_the_claims_of_b2cs(idp):
    async with at(idp) as stage:
        claims = (await stage.sign_in()).id_token
    assert claims.keys() == recorded("azure-b2c/id_token.claims.json").keys()


async def exchange(idp, form):
    body = {"client_id": "broker", "client_secret": idp.client_secret, **form}
    async with aiohttp.ClientSession() as http, http.post(idp.url("token"), data=body) as answer:
        return answer.status, await answer.json()


async def test_the_fakes_token_endpoint_answers_like_b2cs(idp):
    clock = [1_700_000_000.0]
    idp.now, idp.pkce = lambda: clock[0], False
    asked = "response_type=code&client_id=broker&redirect_uri=https://x.example/&scope=openid+offline_access+broker"
    url = f"{idp.url('authorize')}?{asked}"
    form = {"grant_type": "authorization_code", "redirect_uri": "https://x.example/"}
    form["code"] = (await idp.sign_in(url))["code"]
    full = {"scope": "openid offline_access broker"}
    idp.switch(string_expires_in=True)
    status, tokens = await exchange(idp, form | full)
    assert (status, tokens.keys()) == (200, recorded("azure-b2c/token.response.json").keys())
    assert (tokens["expires_in"], type(tokens["not_before"])) == ("3600", str)
    status, again = await exchange(idp, form | full)
    assert (status, again["error"]) == (400, "invalid_grant")
    form["code"] = (await idp.sign_in(url))["code"]
    _, thin = await exchange(idp, form | {"scope": "openid"})
    assert "access_token" not in thin
    assert "refresh_token" not in thin
    assert "id_token_expires_in" in thin
    form["code"] = (await idp.sign_in(url))["code"]
    clock[0] += 601
    assert "AADB2C90080" in (await exchange(idp, form | full))[1]["error_description"]
    status, wrong = await exchange(idp, form | {"client_secret": "wrong"})
    assert (status, wrong["error"]) == (400, "invalid_client")
    assert "AADB2C90081" in wrong["error_description"]


async def test_the_fake_says_on_the_callback_what_b2c_says(idp):
    async with at(idp) as stage:
        for row in recorded("azure-b2c/callback.errors.json")[:2]:
            number = row["error_description"][:11]
            idp.reset()
            idp.switch(**{number: True})
            answer = await stage.login().at_the_upstream()
            assert answer["error"] == row["error"]
            assert answer["error_description"].startswith(f"{number}: ")


# ── What an operator is told ──────────────────────────────────────────────────────────────────


@pytest.mark.proves("azure_b2c", "what works and what does not, told to the operator")
async def test_the_operator_hears_which_metadata_is_taken(idp):
    async with at(idp) as stage:
        findings = {finding.what: finding for finding in await stage.upstream.probe()}
        assert (findings["issuer"].good, findings["issuer"].detail) == (True, idp.issuer)
        idp.switch(discovery={"issuer": "https://evil.example/"})
        assert {finding.what: finding.good for finding in await stage.upstream.probe()}["issuer"] is False


async def test_the_operator_hears_of_both_policies(idp):
    async with at(idp, password_reset_policy=RESET) as stage:
        findings = {finding.what: finding.good for finding in await stage.upstream.probe()}
        assert findings["issuer"] is findings["password reset: issuer"] is True
    async with at(idp, password_reset_policy="B2C_1_nowhere") as stage:
        idp.switch(tfp_issuer=True)
        idp.switch(discovery={"issuer": idp.issuer_of(POLICY)})
        findings = {finding.what: finding.good for finding in await stage.upstream.probe()}
        assert findings["issuer"] is True
        assert findings["password reset: issuer"] is False
