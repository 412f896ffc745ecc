"""A login at an OpenID Provider: what is asked of it, and what of its answers is believed."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from broker.jose.keys import b64decode
from broker.protocol.errors import OAuthError, TemporarilyUnavailable
from broker.protocol.flow import ClaimAsk, ClaimsRequest
from tests.connectors.stage import Clock, on_stage
from tests.fakes.forging import Key
from tests.fakes.provider import FakeProvider


def asked_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items() if len(values) == 1}


# ── What goes right ───────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("oidc", "a whole login, by discovery")
async def test_a_login_ends_with_a_verified_person(stage, idp):
    identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == (idp.issuer, "ann")
    assert identity.id_token["email"] == "ann@example.com"
    assert identity.userinfo == {}
    assert (identity.acr, identity.amr, identity.sid) == ("0", ("pwd",), "upstream-session")
    assert identity.auth_time == int(stage.now())
    assert not idp.seen("userinfo")


async def test_the_way_out_says_what_the_protocol_wants_and_no_more(stage, idp):
    login = stage.login()
    asked = asked_of(await login.begin())
    assert asked == {
        "response_type": "code",
        "client_id": "broker",
        "redirect_uri": "http://127.0.0.1:8999/callback/up",
        "scope": "openid profile email",
        "state": login.state,
        "nonce": login.nonce,
        "code_challenge": asked["code_challenge"],
        "code_challenge_method": "S256",
    }
    assert len(asked["code_challenge"]) == 43


async def test_the_code_is_redeemed_with_one_proof_of_who_we_are(stage, idp):
    await stage.sign_in()
    (token,) = idp.seen("token")
    assert token.form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert token.headers["Authorization"].startswith("Basic ")
    assert token.headers["Accept"] == "application/json"


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.proves("oidc", "RS256, PS256, ES256, EdDSA")
async def test_each_algorithm_on_the_list_is_verified(alg):
    async with FakeProvider.running(alg=alg) as idp, on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"


@pytest.mark.proves("oidc", "userinfo, where it is wanted")
async def test_userinfo_is_pulled_where_it_is_wanted(idp):
    async with on_stage(idp, get_user_info=True) as stage:
        identity = await stage.sign_in()
    assert identity.userinfo == {"sub": "ann", **idp.people["ann"]}
    (seen,) = idp.seen("userinfo")
    assert seen.headers["Authorization"].startswith("Bearer ")
    assert not seen.query


@pytest.mark.proves("oidc", "form_post")
async def test_the_answer_may_come_as_a_form(idp):
    async with on_stage(idp, response_mode="form_post") as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        assert answer["state"] == login.state
        assert (await login.finish(answer)).subject == "ann"


@pytest.mark.parametrize("path", ["/realms/acme", "/"])
@pytest.mark.proves("oidc", "issuers with a path, a slash, or neither")
async def test_an_issuer_keeps_its_path_and_its_slash(path):
    async with FakeProvider.running(path=path) as idp, on_stage(idp) as stage:
        assert (await stage.sign_in()).issuer == idp.issuer
    assert idp.issuer.endswith(path)


async def test_an_upstream_may_say_no_auth_time(stage, idp):
    for said in ("missing", 0):
        idp.switch(auth_time=said)
        assert (await stage.sign_in()).auth_time is None


# ── Who we are there ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_each_way_to_prove_who_we_are(method):
    async with FakeProvider.running(auth_method=method) as idp, on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"
        (token,) = idp.seen("token")
    assert ("Authorization" in token.headers) == (method == "client_secret_basic")
    assert ("client_secret" in token.form) == (method == "client_secret_post")


@pytest.mark.row("UP-18")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
async def test_a_private_key_proves_who_we_are_without_leaving(alg):
    ours = Key("ours", alg)
    async with (
        FakeProvider.running(auth_method="private_key_jwt") as idp,
        on_stage(idp, private_key=ours.private_pem().decode()) as stage,
    ):
        idp.client_jwks = stage.upstreams.public_jwks("up")
        assert (await stage.sign_in()).subject == "ann"
        assert (await stage.sign_in()).subject == "ann"
        forms = [seen.form["client_assertion"] for seen in idp.seen("token")]
    assert "d" not in idp.client_jwks["keys"][0]
    assert len(set(forms)) == 2
    assert len(idp.jtis) == 2


async def test_the_assertion_is_for_the_issuer_unless_the_token_endpoint_is_named(idp):
    ours = Key("ours").private_pem().decode()
    idp.auth_method = "private_key_jwt"
    audiences = []
    for choice in ("issuer", "token_endpoint"):
        async with on_stage(idp, private_key=ours, client_assertion_audience=choice) as stage:
            idp.client_jwks = stage.upstreams.public_jwks("up")
            await stage.sign_in()
            payload = idp.seen("token")[-1].form["client_assertion"].split(".")[1]
            audiences.append(json.loads(b64decode(payload.encode()))["aud"])
    assert audiences == [idp.issuer, f"{idp.issuer}/token"]


@pytest.mark.proves("oidc", "metadata that wants an assertion for somebody else's token endpoint")
@pytest.mark.row("UP-18")
@pytest.mark.parametrize("key", ["private_key", "client_secret"])
async def test_metadata_cannot_have_an_assertion_made_for_somebody_elses_token_endpoint(key):
    signs = {"private_key": Key("ours").private_pem().decode(), "client_secret": None}
    entry = signs if key == "private_key" else {"token_endpoint_auth_method": "client_secret_jwt"}
    entry |= {"client_assertion_audience": "token_endpoint"}
    async with FakeProvider.running() as honest, FakeProvider.running() as idp:
        theirs = f"{honest.issuer}/token"
        idp.switch(discovery={"token_endpoint": theirs})
        async with on_stage(idp, **entry) as stage:
            assert (await stage.refused()).reason == "metadata_token_endpoint_elsewhere"
        assert not honest.seen("token")
        async with on_stage(idp, **entry, token_endpoint=theirs) as stage:  # the operator's word is enough
            await stage.refused()
        assert honest.seen("token")


async def test_a_connector_without_a_key_publishes_none(stage):
    assert stage.upstreams.public_jwks("up") is None
    assert stage.upstreams.public_jwks("nobody") is None


async def test_a_wrong_secret_is_a_fault_of_ours_and_told_to_nobody(idp):
    async with on_stage(idp, client_secret="wrong") as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", "token_invalid_client")


# ── What is passed on ─────────────────────────────────────────────────────────────────────────

ALL = {"login_hint": "ann@example.com", "acr_values": ("gold", "silver"), "ui_locales": ("de", "en")}


async def test_without_a_word_only_locales_are_passed_on(stage):
    asked = asked_of(await stage.login(**ALL).begin())
    assert asked["ui_locales"] == "de en"
    assert not {"login_hint", "acr_values"} & asked.keys()


async def test_the_operator_decides_what_else_is_passed_on(idp):
    ways = {"login_hint": "pass", "acr_values": {"fixed": "urn:mfa"}, "ui_locales": "drop"}
    async with on_stage(idp, pass_through=ways) as stage:
        asked = asked_of(await stage.login(**ALL).begin())
        assert (asked["login_hint"], asked["acr_values"]) == ("ann@example.com", "urn:mfa")
        assert "ui_locales" not in asked
        without = asked_of(await stage.login().begin())
        assert without["acr_values"] == "urn:mfa"
        assert "login_hint" not in without


async def test_what_asks_for_a_fresh_login_always_reaches_the_upstream(stage):
    asked = asked_of(await stage.login(prompt=frozenset({"login", "consent"}), max_age=0).begin())
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")


async def test_an_account_to_select_is_a_login_where_nothing_else_is_known(idp):
    idp.switch(discovery={"prompt_values_supported": ["none", "login"]})
    async with on_stage(idp) as stage:
        assert asked_of(await stage.login(prompt=frozenset({"select_account"})).begin())["prompt"] == "login"


async def test_an_essential_acr_is_asked_of_the_upstream(idp):
    claims = ClaimsRequest(id_token={"acr": ClaimAsk(essential=True, values=("gold",))})
    async with on_stage(idp, pass_through={"acr_values": "pass"}) as stage:
        assert (await stage.sign_in(claims=claims)).acr == "gold"
        idp.switch(acr="bronze")
        error = await stage.refused(claims=claims)
    assert (error.error, error.reason) == ("unmet_authentication_requirements", "acr_unmet")


async def test_an_endpoint_with_a_query_keeps_it_and_does_not_speak_for_us(idp):
    idp.switch(
        discovery={"authorization_endpoint": f"{idp.issuer}/authorize?tenant=a%20b&client_id=evil&state=x"}
    )
    async with on_stage(idp) as stage:
        login = stage.login()
        asked = asked_of(await login.begin())
    assert (asked["tenant"], asked["client_id"], asked["state"]) == ("a b", "broker", login.state)


# ── PKCE ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("listed", "pkce", "used"),
    [
        (["S256"], "auto", True),
        (["plain", "S256"], "auto", True),
        (None, "auto", True),
        (["plain"], "auto", False),
        ([], "auto", False),
        (["plain"], "always", True),
        (["S256"], "never", False),
    ],
)
@pytest.mark.proves("oidc", "PKCE auto, always, never")
async def test_pkce_is_used_unless_the_upstream_has_none(idp, listed, pkce, used):
    idp.pkce = False
    idp.switch(discovery={"code_challenge_methods_supported": listed})
    async with on_stage(idp, pkce=pkce) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        assert ("code_challenge" in asked_of(login.url)) is used
        assert (await login.finish(answer)).subject == "ann"
    assert ("code_verifier" in idp.seen("token")[0].form) is used


@pytest.mark.row("CB-17")
@pytest.mark.parametrize("pkce", ["always", "never"])
@pytest.mark.proves("oidc", "a code from another login")
async def test_a_code_from_another_login_is_refused(idp, pkce):
    idp.pkce = False
    async with on_stage(idp, pkce=pkce) as stage:
        mine, theirs = stage.login(), stage.login()
        stolen = await theirs.at_the_upstream()
        await mine.begin()
        with pytest.raises(OAuthError) as caught:
            await mine.finish({**stolen, "state": mine.state})
    assert caught.value.reason == ("token_invalid_grant" if pkce == "always" else "id_token_nonce_mismatch")


# ── The callback ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("CB-09")
@pytest.mark.row("CB-10")
@pytest.mark.parametrize("said", ["https://evil.example", "{issuer}/", "{upper}", "{issuer}x", "{short}", ""])
@pytest.mark.proves("oidc", "mix-up: a callback of another issuer")
async def test_a_callback_of_another_issuer_is_refused_before_its_code_goes_anywhere(stage, idp, said):
    words = {"issuer": idp.issuer, "upper": idp.issuer.upper(), "short": idp.issuer[:-1]}
    idp.switch(callback={"iss": said.format(**words)})
    error = await stage.refused()
    assert (error.error, error.reason) == ("server_error", "callback_iss_mismatch")
    assert not idp.seen("token")


@pytest.mark.row("CB-09")
async def test_an_issuer_that_promises_to_name_itself_must(stage, idp):
    idp.switch(callback={"iss": None})
    assert (await stage.refused()).reason == "callback_iss_missing"
    assert not idp.seen("token")


async def test_an_issuer_that_promised_nothing_may_stay_silent_but_not_lie(idp):
    idp.switch(discovery={"authorization_response_iss_parameter_supported": None}, callback={"iss": None})
    async with on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"
        idp.switch(callback={"iss": "https://evil.example"})
        assert (await stage.refused()).reason == "callback_iss_mismatch"


@pytest.mark.row("CB-13")
async def test_a_code_beside_an_error_is_refused(stage, idp):
    idp.switch(callback={"error": "access_denied"})
    assert (await stage.refused()).reason == "code_and_error"
    assert not idp.seen("token")


@pytest.mark.row("CB-14")
@pytest.mark.parametrize("code", [None, "", "x" * 4097, "a\0b", "a\nb", "ä", "\u2028"])
async def test_a_code_that_no_upstream_makes_is_not_sent_to_one(stage, idp, code):
    idp.switch(callback={"code": code})
    assert (await stage.refused()).reason in {"code_missing", "code_malformed"}
    assert not idp.seen("token")


@pytest.mark.parametrize(
    ("error", "ours", "reason"),
    [
        ("access_denied", "access_denied", "upstream_access_denied"),
        ("login_required", "login_required", "upstream_login_required"),
        ("interaction_required", "interaction_required", "upstream_interaction_required"),
        ("consent_required", "consent_required", "upstream_consent_required"),
        ("account_selection_required", "account_selection_required", "upstream_account_selection_required"),
        (
            "unmet_authentication_requirements",
            "unmet_authentication_requirements",
            "upstream_unmet_authentication_requirements",
        ),
        ("temporarily_unavailable", "temporarily_unavailable", "upstream_temporarily_unavailable"),
        ("server_error", "server_error", "upstream_refused"),
        ("invalid_scope", "server_error", "upstream_refused"),
        ("unauthorized_client", "server_error", "upstream_refused"),
        ("unauthorized", "server_error", "upstream_refused"),
        ('<script>"', "server_error", "callback_error_malformed"),
        ("e" * 100, "server_error", "callback_error_malformed"),
    ],
)
async def test_an_error_of_the_upstream_becomes_the_right_one_of_ours(stage, idp, error, ours, reason):
    idp.switch(callback={"code": None, "error": error, "error_description": "<b>no</b>\n" + "x" * 999})
    refused = await stage.refused()
    assert (refused.error, refused.reason) == (ours, reason)
    assert "<b>" not in refused.description
    assert "\n" not in refused.detail
    assert len(refused.detail) < 300


async def test_a_code_or_token_that_an_error_repeats_is_not_told_to_our_log(stage, idp):
    secret = "refresh-token_" + "x1" * 40
    idp.switch(callback={"code": None, "error": "access_denied", "error_description": f"{secret} is gone"})
    refused = await stage.refused()
    assert "is gone" in refused.detail
    assert secret[:40] not in refused.detail


# ── The ID Token ──────────────────────────────────────────────────────────────────────────────

DAY = 86400


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param({"token": "no_id_token"}, "id_token_missing", marks=pytest.mark.row("CB-18")),
        *(
            pytest.param({"nonce": said}, f"id_token_nonce_{reason}", marks=pytest.mark.row("CB-21"))
            for said, reason in [
                ("missing", "missing"),
                ("wrong", "mismatch"),
                (["array"], "mismatch"),
                (7, "mismatch"),
                ("", "mismatch"),
            ]
        ),
        *(
            pytest.param({"iss": said}, "id_token_iss_mismatch", marks=pytest.mark.row("CB-22"))
            for said in [
                "missing",
                "wrong",
                ["http://127.0.0.1"],
                "http://127.0.0.1",
                "HTTP://127.0.0.1",
                7,
                {},
            ]
        ),
        *(
            pytest.param({"aud": said}, f"id_token_{reason}", marks=pytest.mark.row("CB-23"))
            for said, reason in [
                ("missing", "aud_mismatch"),
                ("wrong", "aud_mismatch"),
                ("broke", "aud_mismatch"),
                ("broker2", "aud_mismatch"),
                (7, "aud_mismatch"),
                ([], "aud_mismatch"),
                (["broker", 7], "aud_mismatch"),
                ([["broker"]], "aud_mismatch"),
                ({"broker": 1}, "aud_mismatch"),
                (["broker", "evil"], "aud_untrusted"),
            ]
        ),
        *(({"azp": said}, "id_token_azp_mismatch") for said in ["wrong", "", 7, ["broker"]]),
        *(
            pytest.param({"exp": said}, reason, marks=pytest.mark.row("CB-25"))
            for said, reason in [
                ("missing", "id_token_exp_malformed"),
                ("wrong", "id_token_expired"),
                ("soon", "id_token_exp_malformed"),
                (True, "id_token_exp_malformed"),
                ([1], "id_token_exp_malformed"),
                (-1, "id_token_expired"),
                (0, "id_token_expired"),
                (9_999_999_999_999, "id_token_exp_malformed"),
                (10**30, "id_token_exp_malformed"),
                (float("nan"), "token_bad_payload"),
                (float("inf"), "token_bad_payload"),
            ]
        ),
        *(
            pytest.param({"iat": said}, f"id_token_{reason}", marks=pytest.mark.row("CB-26"))
            for said, reason in [
                ("missing", "iat_malformed"),
                ("wrong", "iat_future"),
                ("x", "iat_malformed"),
                (False, "iat_malformed"),
                (1, "iat_old"),
            ]
        ),
        pytest.param({"nbf": "wrong"}, "id_token_nbf_future", marks=pytest.mark.row("CB-26")),
        ({"nbf": "soon"}, "id_token_nbf_malformed"),
        *(
            pytest.param({"at_hash": said}, "id_token_at_hash_mismatch", marks=pytest.mark.row("CB-27"))
            for said in ["wrong", "", 7, ["x"]]
        ),
        pytest.param({"c_hash": "wrong"}, "id_token_c_hash_mismatch", marks=pytest.mark.row("CB-27")),
        *(({"sub": said}, "id_token_sub_malformed") for said in ["missing", "", 7, ["ann"], "x" * 256]),
        *(({"auth_time": said}, "id_token_auth_time_malformed") for said in ["yesterday", True, 10**13]),
        ({"auth_time": 10**10}, "id_token_auth_time_future"),
        pytest.param({"alg": "none"}, "token_bad_algorithm", marks=pytest.mark.row("JW-01")),
        pytest.param({"alg": "HS256"}, "token_bad_algorithm", marks=pytest.mark.row("JW-02")),
        ({"alg": "RS512"}, "token_bad_algorithm"),
        ({"alg": "ES256"}, "token_alg_key_mismatch"),
        ({"signature": "bad"}, "token_bad_signature"),
        ({"signature": "foreign"}, "token_bad_signature"),
        ({"kid": "unknown"}, "token_unknown_kid"),
        ({"typ": "at+jwt"}, "token_bad_typ"),
        ({"typ": "logout+jwt"}, "token_bad_typ"),
        pytest.param({"duplicate_keys": "header"}, "token_bad_header", marks=pytest.mark.row("JW-15")),
        pytest.param({"duplicate_keys": "payload"}, "token_bad_payload", marks=pytest.mark.row("JW-15")),
        ({"jwks": "empty"}, "token_unknown_kid"),
        ({"jwks": "404"}, "bad_status"),
        ({"jwks": "not_json"}, "not_json"),
        pytest.param({"jwks": "redirect"}, "redirect", marks=pytest.mark.row("UP-05")),
        pytest.param({"jwks": "oversize"}, "too_large", marks=pytest.mark.row("UP-07")),
    ],
    ids=str,
)
@pytest.mark.proves("oidc", "an ID Token that is wrong in one thing")
async def test_an_id_token_that_is_wrong_in_one_thing_is_refused(stage, idp, wrong, reason):
    idp.switch(**wrong)
    error = await stage.refused()
    assert error.error == "server_error"
    assert error.reason == reason
    assert error.description == "The login could not be completed."


@pytest.mark.row("CB-23")
async def test_another_audience_is_fine_where_the_operator_trusts_it(idp):
    async with on_stage(idp, token_audiences=["account"]) as stage:
        idp.switch(aud=["account", "broker"], azp="broker")
        assert (await stage.sign_in()).subject == "ann"
        idp.switch(azp=None)
        assert (await stage.refused()).reason == "id_token_azp_mismatch"
        idp.switch(aud=["account"])
        assert (await stage.refused()).reason == "id_token_aud_mismatch"


async def test_an_audience_may_be_a_list_of_one_and_a_nameless_key_may_sign(stage, idp):
    idp.switch(aud=["broker"], kid="missing")
    assert (await stage.sign_in()).subject == "ann"


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "PS256"])
@pytest.mark.row("CB-27")
async def test_at_hash_is_checked_whatever_the_algorithm(alg):
    async with FakeProvider.running(alg=alg) as idp, on_stage(idp) as stage:
        assert (await stage.sign_in()).subject == "ann"
        idp.switch(at_hash="wrong")
        assert (await stage.refused()).reason == "id_token_at_hash_mismatch"


async def test_clocks_may_differ_by_ten_seconds_and_not_by_twenty(stage, idp):
    clock = stage.now
    for ahead, good in ((8, True), (-8, True), (20, False)):
        idp.now = lambda ahead=ahead: clock() + ahead
        if good:
            assert (await stage.sign_in()).subject == "ann"
        else:
            assert (await stage.refused()).reason == "id_token_iat_future"


async def test_a_token_issuer_other_than_the_issuer_is_compared_exactly_too(idp):
    async with on_stage(idp, token_issuer="https://tokens.example/v2") as stage:
        assert (await stage.refused()).reason == "id_token_iss_mismatch"
        idp.switch(iss="https://tokens.example/v2")
        assert (await stage.sign_in()).issuer == "https://tokens.example/v2"


@pytest.mark.row("CB-22")
@pytest.mark.proves("oidc", "discovery issuer and token issuer kept apart from the issuer")
async def test_the_metadatas_issuer_and_the_tokens_issuer_may_each_be_another(idp):
    other = {"discovery_issuer": "https://{tenantid}.example/", "token_issuer": "https://tokens.example/v2"}
    async with on_stage(idp, **other) as stage:
        idp.switch(iss="https://tokens.example/v2")
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
        assert caught.value.reason == "metadata_issuer_mismatch"
        stage.now.forward(61)
        idp.switch(discovery={"issuer": "https://{tenantid}.example/"})
        assert (await stage.sign_in()).issuer == "https://tokens.example/v2"


@pytest.mark.row("CB-22")
@pytest.mark.proves("oidc", "a set of token issuers")
async def test_tokens_may_come_from_any_issuer_of_a_list_and_from_no_other(idp):
    async with on_stage(idp, token_issuer=["https://a.example", "https://b.example/"]) as stage:
        for issuer in ("https://a.example", "https://b.example/"):
            idp.switch(iss=issuer)
            assert (await stage.sign_in()).issuer == issuer
        for issuer in ("https://b.example", "https://a.example/", idp.issuer):
            idp.switch(iss=issuer)
            assert (await stage.refused()).reason == "id_token_iss_mismatch"


@pytest.mark.row("CB-33")
@pytest.mark.proves("oidc", "an issuer template bound to a claim and to an allow-list")
async def test_a_templates_claim_decides_whose_token_it_is(idp):
    rule = {"template": "https://idp.example/{org}/v2", "claim": "org", "allowed": ["acme", "umbrella"]}
    async with on_stage(idp, token_issuer=rule) as stage:
        for named, told, good in (
            ("acme", "acme", True),
            ("umbrella", "umbrella", True),
            ("umbrella", "acme", False),
            ("evil", "evil", False),
        ):
            idp.person("ann", org=told)
            idp.switch(iss=f"https://idp.example/{named}/v2")
            if good:
                assert (await stage.sign_in()).issuer == f"https://idp.example/{named}/v2"
            else:
                assert (await stage.refused()).reason == "id_token_iss_mismatch"


# ── The token endpoint ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "ours", "reason"),
    [
        pytest.param("redirect", "server_error", "redirect", marks=pytest.mark.row("CB-37")),
        ("oversize", "server_error", "too_large"),
        ("not_json", "server_error", "token_not_json"),
        ("html", "server_error", "token_not_json"),
        ("500", "temporarily_unavailable", "upstream_unavailable"),
        ("503", "temporarily_unavailable", "upstream_unavailable"),
        ("429", "temporarily_unavailable", "upstream_unavailable"),
        ("drop", "temporarily_unavailable", "upstream_unavailable"),
        ("error_in_200", "server_error", "token_bad_verification_code"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable", "upstream_unavailable"),
        ({"error": "access_denied"}, "server_error", "token_access_denied"),
        ({"error": {"a": 1}}, "server_error", "token_error"),
        pytest.param("no_token_type", "server_error", "token_type_unknown", marks=pytest.mark.row("CB-19")),
        pytest.param(
            {"token_type": "DPoP"}, "server_error", "token_type_unknown", marks=pytest.mark.row("CB-19")
        ),
        pytest.param(
            {"token_type": ["Bearer"]}, "server_error", "token_type_unknown", marks=pytest.mark.row("CB-19")
        ),
        ({"id_token": 7}, "server_error", "token_malformed"),
        ({"id_token": ""}, "server_error", "token_malformed"),
        ({"id_token": "a.b"}, "server_error", "token_not_a_jws"),
        ({"access_token": ["x"]}, "server_error", "token_malformed"),
    ],
    ids=str,
)
@pytest.mark.proves("oidc", "token answers that are wrong, none asked for twice")
async def test_a_token_answer_that_is_wrong_is_refused_and_never_asked_for_twice(
    stage, idp, wrong, ours, reason
):
    idp.switch(token=wrong)
    error = await stage.refused()
    assert (error.error, error.reason) == (ours, reason)
    assert len(idp.seen("token")) == 1
    assert not idp.seen("unknown")


@pytest.mark.row("CB-19")
@pytest.mark.parametrize(
    "odd",
    [
        {"token_type": "bearer"},
        {"token_type": "BEARER"},
        {"expires_in": "300"},
        {"expires_in": -1},
        {"more": [1]},
    ],
    ids=str,
)
async def test_what_is_merely_odd_in_a_token_answer_does_no_harm(stage, idp, odd):
    idp.switch(token=odd)
    assert (await stage.sign_in()).subject == "ann"


async def test_an_upstream_without_an_access_token_can_still_say_who_it_is(stage, idp):
    idp.switch(token={"access_token": None, "token_type": None}, at_hash="missing")
    assert (await stage.sign_in()).subject == "ann"


# ── Userinfo ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "ours", "reason"),
    [
        pytest.param("other_sub", "server_error", "userinfo_sub_mismatch", marks=pytest.mark.row("CB-31")),
        pytest.param("no_sub", "server_error", "userinfo_sub_mismatch", marks=pytest.mark.row("CB-31")),
        pytest.param(
            {"sub": ["ann"]}, "server_error", "userinfo_sub_mismatch", marks=pytest.mark.row("CB-31")
        ),
        ("401", "server_error", "userinfo_refused"),
        ("404", "server_error", "userinfo_refused"),
        ("not_json", "server_error", "userinfo_not_json"),
        ("redirect", "server_error", "redirect"),
        ("oversize", "server_error", "too_large"),
        ("500", "temporarily_unavailable", "upstream_unavailable"),
    ],
    ids=str,
)
@pytest.mark.proves("oidc", "userinfo that is wrong or about somebody else")
async def test_a_userinfo_answer_that_is_wrong_ends_the_whole_login(idp, wrong, ours, reason):
    idp.switch(userinfo=wrong)
    async with on_stage(idp, get_user_info=True) as stage:
        error = await stage.refused()
    assert (error.error, error.reason) == (ours, reason)


@pytest.mark.row("CB-36")
@pytest.mark.row("UP-17")
async def test_no_cookie_of_an_upstream_is_ever_sent_back(idp):
    idp.switch(cookies=True)
    async with on_stage(idp, get_user_info=True) as stage:
        for _ in range(2):
            await stage.sign_in()
    back_channel = [seen for seen in idp.requests if seen.endpoint != "authorize"]
    assert len(back_channel) == 6
    assert not any("Cookie" in seen.headers for seen in back_channel)


# ── Freshness ─────────────────────────────────────────────────────────────────────────────────

LOGIN = frozenset({"login"})


@pytest.mark.row("CB-30")
@pytest.mark.row("AZ-23")
async def test_a_fresh_login_that_was_asked_for_is_proved(idp):
    async with on_stage(idp) as stage:
        await stage.sign_in()
        stage.now.forward(3600)
        fresh = await stage.sign_in(prompt=LOGIN)
        assert fresh.auth_time == int(stage.now())
        stage.now.forward(3600)
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now())
        stage.now.forward(50)
        assert (await stage.sign_in(max_age=60)).auth_time == int(stage.now()) - 50


@pytest.mark.row("CB-30")
@pytest.mark.row("AZ-23")
@pytest.mark.parametrize("asked", [{"prompt": LOGIN}, {"max_age": 0}, {"max_age": 60}], ids=str)
@pytest.mark.parametrize("said", [None, "missing", 0])
@pytest.mark.proves("oidc", "prompt=login and max_age, proved by auth_time")
async def test_an_old_login_never_passes_for_a_fresh_one(idp, asked, said):
    async with on_stage(idp) as stage:
        await stage.sign_in()
        stage.now.forward(3600)
        idp.switch(ignores_prompt=True, auth_time=said)
        error = await stage.refused(**asked)
    assert error.error == "login_required"
    assert error.reason == ("auth_time_too_old" if said is None else "auth_time_missing")


async def test_an_upstream_that_the_operator_trusts_needs_no_proof_but_may_not_prove_the_opposite(idp):
    async with on_stage(idp, freshness="trusted") as stage:
        idp.switch(auth_time="missing")
        assert (await stage.sign_in(prompt=LOGIN)).auth_time == int(stage.now())
        idp.switch(auth_time="wrong")
        assert (await stage.refused(prompt=LOGIN)).reason == "auth_time_too_old"


async def test_the_time_someone_takes_at_the_upstream_does_not_make_a_login_old(idp):
    now = Clock()
    async with on_stage(idp, now) as stage:
        login = stage.login(max_age=0)
        answer = await login.at_the_upstream()
        now.forward(240)
        idp.switch(iat=int(now()))
        assert (await login.finish(answer)).auth_time == int(login.started)


@pytest.mark.row("UP-01")
async def test_metadata_that_was_wrong_is_believed_once_it_is_right(idp):
    clock = Clock()
    idp.switch(discovery={"issuer": "https://somebody.example"})
    async with on_stage(idp, clock) as stage:
        with pytest.raises(TemporarilyUnavailable):
            await stage.login().begin()
        idp.reset()
        with pytest.raises(TemporarilyUnavailable):  # asked for anew at most once a minute
            await stage.login().begin()
        clock.forward(61)
        assert (await stage.sign_in()).subject == "ann"
