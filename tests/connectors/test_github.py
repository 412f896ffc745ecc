"""GitHub: who somebody is comes from its API, and membership decides only when it is known whole."""

import asyncio
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import pytest
import yaml
from pydantic import ValidationError

from broker.connector import CanProbe, CanRefresh, UpstreamInvalid
from broker.mapping import Documents, apply, compile_map
from broker.protocol.errors import AccessDenied, OAuthError, ServerError, TemporarilyUnavailable
from connectors import github
from connectors.github_api import _NEXT
from tests.connectors.desk import LOGIN, Desk, recorded
from tests.connectors.stage import Clock, opened
from tests.fakes.forging import challenge_of
from tests.fakes.github import FakeGitHub, email, org, team

ACME, PARTNER = org(501, "Acme"), org(502, "partner")
PLATFORM, OPS = team(71, "platform", ACME, "Platform: Core"), team(72, "ops", PARTNER)
SECRET = {"client_id": "broker", "client_secret": "secret"}
GROUPS = ["{org}", "{org}:{team}"]
DOCUMENTED = {
    "/user": "github/user.json",
    "/user/emails": "github/user.emails.json",
    "/user/orgs": "github/user.orgs.json",
    "/user/teams": "github/user.teams.json",
}


@pytest.fixture
async def hub():
    async with FakeGitHub.running() as fake:
        fake.person("ann", orgs=[ACME, PARTNER], teams=[PLATFORM, OPS])
        yield fake


def entry(hub, **keys):
    return {
        "type": "github",
        "host": hub.host,
        "client_id": hub.client_id,
        "client_secret": hub.client_secret,
        **keys,
    }


def at(hub, now=None, **keys):
    return opened(hub, {"up": entry(hub, **keys)}, now)


@asynccontextmanager
async def refused_at(hub, **keys):
    async with at(hub, **keys) as stage:
        yield await stage.refused()


def settings(**keys):
    return github.Settings.model_validate({**SECRET, **keys})


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# ── A login ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "OAuth 2 only: the API says who it is")
@pytest.mark.proves("github", "the numeric id is the subject, scoped by host")
@pytest.mark.row("CB-35")
async def test_a_login_ends_in_a_number_and_what_the_api_says(hub):
    async with at(hub) as stage:
        identity = await stage.sign_in()
    assert (identity.issuer, identity.subject) == (hub.issuer, str(hub.people["ann"]["id"]))
    assert identity.api["login"] == "ann"
    assert identity.api["name"] == "Ann"
    assert identity.id_token == identity.userinfo == {}
    assert identity.auth_time is None
    assert identity.amr == ()
    assert [seen.endpoint for seen in hub.requests] == ["authorize", "token", "user", "emails"]


@pytest.mark.proves("github", "PKCE with S256")
@pytest.mark.proves("github", "the scope is always said")
async def test_the_way_out_says_the_scope_and_a_challenge(hub):
    async with at(hub) as stage:
        login = stage.login()
        asked = asked_of(await login.begin())
        assert asked["scope"] == "user:email"
        assert asked["code_challenge"] == challenge_of(login.verifier)
        assert asked["code_challenge_method"] == "S256"
        assert not {"prompt", "login", "allow_signup", "nonce"} & asked.keys()
    async with at(hub, groups=GROUPS, allow_signup=False) as stage:
        asked = asked_of(await stage.login().begin())
        assert (asked["scope"], asked["allow_signup"]) == ("user:email read:org", "false")


async def test_a_hint_and_the_choice_of_an_account_reach_github_in_its_own_words(hub):
    passing = {"pass_through": {"login_hint": "pass"}, "freshness": "trusted"}
    async with at(hub, **passing) as stage:
        asked = asked_of(await stage.login(login_hint="ann", prompt=frozenset({"login"})).begin())
    assert (asked["login"], asked["prompt"]) == ("ann", "select_account")


@pytest.mark.proves("github", "a fresh login that was asked for is not believed without proof")
@pytest.mark.row("CB-30")
async def test_github_cannot_prove_a_fresh_login(hub):
    async with at(hub) as stage:
        error = await stage.refused(prompt=frozenset({"login"}))
    assert error.error == "login_required"


async def test_the_token_request_asks_for_json_and_has_one_proof_of_who_we_are(hub):
    async with at(hub) as stage:
        await stage.sign_in()
    token = hub.seen("token")[0]
    assert token.headers["Accept"] == "application/json"
    assert token.form["client_secret"] == hub.client_secret
    assert "Authorization" not in token.headers


async def test_every_call_of_the_api_says_its_version_and_who_calls(hub):
    async with at(hub, groups=GROUPS, check_token=True) as stage:
        await stage.sign_in()
    calls = [seen for seen in hub.requests if seen.endpoint not in {"authorize", "token"}]
    assert [seen.endpoint for seen in calls] == ["user", "check", "emails", "orgs", "teams"]
    for seen in calls:
        assert seen.headers["X-GitHub-Api-Version"] == "2022-11-28"
        assert seen.headers["Accept"] == "application/vnd.github+json"
        assert seen.headers["User-Agent"]


# ── Who it is ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "who renames themselves stays who they are")
@pytest.mark.row("CB-35")
@pytest.mark.row("UI-07")
async def test_who_renames_themselves_stays_who_they_are(hub):
    async with at(hub) as stage:
        before = await stage.sign_in()
        hub.switch(login_renamed_same_id="ann-example")
        after = await stage.sign_in()
    assert (after.api["login"], after.subject) == ("ann-example", before.subject)


@pytest.mark.proves("github", "who takes over a name is somebody else")
@pytest.mark.row("CB-35")
@pytest.mark.row("UI-07")
@pytest.mark.row("UI-14")
async def test_who_takes_over_a_name_is_somebody_else(hub):
    async with at(hub) as stage:
        before = await stage.sign_in()
        hub.switch(login_reused_other_id=2000)
        after = await stage.sign_in()
    assert before.api["login"] == after.api["login"]
    assert (before.subject, after.subject) == (str(hub.people["ann"]["id"]), "2000")


@pytest.mark.parametrize("number", ["1000", 0, -1, True, 1.5, None, [1]], ids=repr)
async def test_an_id_that_is_no_number_is_nobody(hub, number):
    hub.switch(user={"id": number})
    async with refused_at(hub) as error:
        assert (error.error, error.reason) == ("server_error", "api_malformed")


# ── E-mail ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "only the primary, verified address is told")
@pytest.mark.row("CB-35")
async def test_the_address_is_the_primary_proven_one_and_never_the_one_of_the_profile(hub):
    async with at(hub) as stage:
        identity = await stage.sign_in()
    assert (identity.api["email"], identity.api["email_verified"]) == ("ann@example.com", True)


@pytest.mark.proves("github", "no address without proof")
@pytest.mark.row("CB-35")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    "emails",
    [
        [email("ann@corp.example", primary=True, verified=False), email("ann@example.com")],
        [email("ann@example.com")],
        [{**email("ann@example.com", primary=True), "verified": "true"}],
        [{**email("ann@example.com", primary=True), "verified": 1}],
        [{**email("ann@example.com", verified=True), "primary": "yes"}],
        [{"primary": True, "verified": True, "email": None}],
        [{"primary": True, "verified": True}],
        [email("a@example.com", primary=True), email("b@example.com", primary=True)],
        [],
    ],
    ids=["unverified", "not primary", "text", "number", "yes", "null", "absent", "two", "none"],
)
async def test_an_address_that_is_not_both_primary_and_proven_is_no_address(hub, emails):
    hub.switch(emails=emails)
    async with at(hub) as stage:
        identity = await stage.sign_in()
    assert (identity.api["email"], identity.api["email_verified"]) == (None, False)


@pytest.mark.row("CB-35")
async def test_an_address_on_the_last_page_is_found_and_one_before_it_not_taken_instead(hub):
    hub.person(
        "ann",
        emails=[*(email(f"ann+{n}@example.com") for n in range(40)), email("ann@b.example", primary=True)],
    )
    hub.switch(emails_paged=30)
    async with at(hub) as stage:
        assert (await stage.sign_in()).api["email"] == "ann@b.example"
    assert [seen.query.get("page", "1") for seen in hub.seen("emails")] == ["1", "2"]


@pytest.mark.row("CB-35")
@pytest.mark.parametrize("wrong", [{"emails_404": True}, {"emails_none_verified": True}, {"emails": "403"}])
async def test_without_a_list_of_addresses_the_profile_is_no_substitute(hub, wrong):
    hub.switch(**wrong)
    async with at(hub) as stage:
        identity = await stage.sign_in()
    assert (identity.api["email"], identity.api["email_verified"]) == (None, False)


async def test_a_profile_that_shows_no_address_does_no_harm(hub):
    hub.switch(email_private=True)
    async with at(hub) as stage:
        assert (await stage.sign_in()).api["email"] == "ann@example.com"


async def test_no_address_is_read_where_none_is_asked_for(hub):
    async with at(hub, scope="read:user") as stage:
        assert (await stage.sign_in()).api["email"] is None
    assert not hub.seen("emails")


@pytest.mark.proves("github", "GitHub Enterprise Server: the operator answers for addresses, or nobody does")
async def test_a_server_of_ones_own_proves_no_address_unless_the_operator_says_so(hub):
    hub.switch(emails=[email("ann@example.com", primary=True, verified=False)])
    async with at(hub, trust_email=True) as stage:
        api = (await stage.sign_in()).api
    assert (api["email"], api["email_verified"]) == ("ann@example.com", True)
    for host in ("github.com", "acme.ghe.com"):
        with pytest.raises(ValidationError, match="which addresses are proven"):
            settings(host=host, trust_email=True)


# ── Organizations and teams ───────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "organizations and teams as groups, in a form of the operator's")
async def test_groups_are_named_as_the_operator_wants_them(hub):
    async with at(hub, groups=GROUPS) as stage:
        api = (await stage.sign_in()).api
        assert api["groups"] == ["Acme", "partner", "Acme:platform", "partner:ops"]
        assert api["orgs"] == [{"id": 501, "login": "Acme"}, {"id": 502, "login": "partner"}]
        assert api["teams"][1] == {"id": 72, "slug": "ops", "name": "Ops", "org": "partner", "org_id": 502}
    async with at(hub, groups=["gh-{org_id}/{team_id} {team_name}"]) as stage:
        groups = (await stage.sign_in()).api["groups"]
        assert groups == ["gh-501/71 Platform: Core", "gh-502/72 Ops"]
    async with at(hub) as stage:
        assert "groups" not in (await stage.sign_in()).api


@pytest.mark.row("UI-10")
async def test_braces_in_the_name_of_a_team_stay_what_they_are(hub):
    hub.person("eve", orgs=[ACME], teams=[team(9, "t", ACME, "{org_id} {0.__class__} ${HOME}")])
    async with at(hub, groups=["{team_name}"]) as stage:
        assert (await stage.sign_in()).api["groups"] == ["{org_id} {0.__class__} ${HOME}"]


async def test_organizations_alone_need_no_call_for_teams(hub):
    async with at(hub, groups=["{org}"], allowed_organizations=["acme"]) as stage:
        await stage.sign_in()
    assert not hub.seen("teams")


@pytest.mark.proves("github", "lists are read to their last page")
@pytest.mark.row("CB-35")
async def test_membership_on_the_last_page_counts(hub):
    many = [org(number, f"o{number}") for number in range(1, 8)]
    hub.person("ann", orgs=[*many, ACME], teams=[*(team(n, f"t{n}", ACME) for n in range(1, 6)), PLATFORM])
    hub.switch(paged=3)
    keys = {"allowed_organizations": ["acme"], "allowed_teams": ["acme:platform"]}
    async with at(hub, groups=GROUPS, **keys) as stage:
        assert len((await stage.sign_in()).api["groups"]) == 14
    assert [seen.query["page"] for seen in hub.seen("orgs")[1:]] == ["2", "3"]
    assert {seen.query["per_page"] for seen in hub.requests if seen.endpoint == "teams"} == {"100", "3"}


async def test_teams_have_more_pages_than_organizations(hub):
    hub.person("ann", orgs=[ACME], teams=[*(team(n, f"t{n}", ACME) for n in range(1, 6)), PLATFORM])
    hub.switch(teams_paged=2)
    async with at(hub, allowed_teams=[71]) as stage:
        await stage.sign_in()
    assert (len(hub.seen("orgs")), len(hub.seen("teams"))) == (1, 3)


@pytest.mark.proves("github", "only members of allowed organizations sign in")
@pytest.mark.row("CB-35")
@pytest.mark.parametrize("allowed", [["acme"], ["ACME"], [501], ["nobody", "partner"]])
async def test_a_member_of_an_allowed_organization_signs_in(hub, allowed):
    async with at(hub, allowed_organizations=allowed) as stage:
        assert (await stage.sign_in()).api["login"] == "ann"


@pytest.mark.proves("github", "who is a member nowhere is refused")
@pytest.mark.row("CB-35")
@pytest.mark.parametrize(
    "keys",
    [
        {"allowed_organizations": ["acm"]},
        {"allowed_organizations": ["acme2"]},
        {"allowed_organizations": [5]},
        {"allowed_organizations": [71]},  # the number of a team
        {"allowed_organizations": ["501"]},  # a name that is a number
        {"allowed_teams": ["acme:ops"]},
        {"allowed_teams": ["partner:platform"]},
        {"allowed_teams": ["acme:platform-core"]},
        {"allowed_teams": [501]},  # the number of an organization
        {"allowed_organizations": ["acme"], "allowed_teams": ["acme:ops"]},
        {"allowed_organizations": ["nobody"], "allowed_teams": ["acme:platform"]},
    ],
    ids=str,
)
async def test_who_is_in_nothing_that_is_allowed_is_refused(hub, keys):
    async with refused_at(hub, **keys) as error:
        assert (error.error, error.reason) == ("access_denied", "upstream_access_denied")
        assert error.detail.startswith("in no allowed ")


@pytest.mark.row("CB-35")
async def test_a_member_of_nothing_is_refused_and_so_is_who_has_no_account_there(hub):
    hub.person("bob")
    hub.switch(paged=1)
    async with refused_at(hub, allowed_organizations=["acme"]) as error:
        assert error.error == "access_denied"
    async with refused_at(hub, allowed_teams=["acme:platform"]) as error:
        assert error.error == "access_denied"


@pytest.mark.proves("github", "trouble of the API lets nobody in")
@pytest.mark.row("UI-09")
@pytest.mark.parametrize("endpoint", ["user", "emails", "orgs", "teams"])
@pytest.mark.parametrize(
    ("wrong", "ours"),
    [
        ("500", "temporarily_unavailable"),
        ("503", "temporarily_unavailable"),
        ("429", "temporarily_unavailable"),
        ("drop", "temporarily_unavailable"),
        ("not_json", "server_error"),
        ("redirect", "server_error"),
        ("oversize", "server_error"),
    ],
)
async def test_trouble_of_the_api_lets_nobody_in(hub, endpoint, wrong, ours):
    hub.switch(**{endpoint: wrong})
    async with refused_at(hub, groups=GROUPS, allowed_organizations=["acme"]) as error:
        assert error.error == ours


@pytest.mark.proves("github", "a rate limit is trouble that passes, whatever its status")
@pytest.mark.parametrize("limit", ["used_up", "secondary", "retry"])
async def test_a_rate_limit_is_trouble_that_passes(hub, limit):
    hub.switch(rate_limited_403=limit)
    async with refused_at(hub) as error:
        assert isinstance(error, TemporarilyUnavailable)
        assert "rate limit" in error.detail


async def test_a_rate_limit_at_the_addresses_is_not_taken_for_none(hub):
    async with at(hub) as stage:
        login = stage.login()
        answer = await login.at_the_upstream()
        hub.switch(emails="429")
        with pytest.raises(TemporarilyUnavailable):
            await login.finish(answer)


@pytest.mark.proves("github", "an organization's single sign-on is told from a refusal, in plain words")
async def test_an_organization_that_wants_single_sign_on_is_named_in_plain_words(hub):
    hub.switch(org_sso_403=True)
    async with refused_at(hub, allowed_organizations=["acme"]) as error:
        assert error.error == "access_denied"
        assert "single sign-on (SAML)" in error.detail
        assert "SECRET" not in error.detail
        assert "SAML" not in error.description


@pytest.mark.proves("github", "what GitHub leaves out until single sign-on lets nobody in")
async def test_a_list_that_leaves_something_out_lets_in_only_who_is_on_it(hub):
    hub.switch(sso_partial=[501])
    async with refused_at(hub, allowed_organizations=["acme"]) as error:
        assert error.error == "access_denied"
        assert "leaves out organization 501" in error.detail
    async with at(hub, allowed_organizations=["partner"], groups=["{org}"]) as stage:
        api = (await stage.sign_in()).api
    assert (api["groups"], api["organizations_left_out"]) == (["partner"], ["501"])


async def test_an_organization_that_blocks_the_app_lets_nobody_in(hub):
    hub.switch(restricted=[501])
    async with refused_at(hub, allowed_organizations=["acme"]) as error:
        assert error.error == "access_denied"


async def test_a_suspended_account_is_refused(hub):
    hub.switch(suspended=True)
    async with refused_at(hub) as error:
        assert error.error == "access_denied"
        assert "suspended" in error.detail


@pytest.mark.proves("github", "the next page is on the API's own origin, or not read")
@pytest.mark.row("UP-05")
@pytest.mark.parametrize("where", ["elsewhere", "outside"])
async def test_the_token_does_not_follow_a_page_to_somewhere_else(hub, where):
    hub.switch(orgs_paged=1, link=where)
    async with refused_at(hub, groups=GROUPS) as error:
        assert (error.error, error.reason) == ("server_error", "api_link_elsewhere")
    assert not hub.seen("unknown")


async def test_a_list_without_an_end_ends(hub):
    hub.switch(link="endless")
    async with refused_at(hub, groups=["{org}"], scope="read:org") as error:
        assert (error.error, error.reason) == ("server_error", "api_too_many_pages")
    assert len(hub.seen("orgs")) == 20


@pytest.mark.parametrize(
    "link",
    [
        '<https://api.github.com/user/orgs?page=2>; rel="next"',
        '<https://api.github.com/x>; rel="prev", <https://api.github.com/user/orgs?page=2>; rel="next"',
        '<https://api.github.com/user/orgs?page=2>; title="a"; rel=next, <https://a.example/x>; rel=last',
    ],
)
def test_the_next_page_is_found_among_links(link):
    found = _NEXT.search(link)
    assert found is not None
    assert found[1] == "https://api.github.com/user/orgs?page=2"


@pytest.mark.parametrize(
    "link", ["", '<https://api.github.com/x>; rel="prev"', '<https://a/x>; rel="nextish"', 'rel="next"']
)
def test_no_next_page_is_read_into_other_links(link):
    assert _NEXT.search(link) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"orgs": [{"login": "acme"}]},
        {"orgs": [{"id": 501}]},
        {"orgs": [{"id": "501", "login": "acme"}]},
        {"orgs": ["acme"]},
        {"teams": [{**PLATFORM, "organization": None}]},
        {"teams": [{**PLATFORM, "slug": 7}]},
    ],
    ids=str,
)
async def test_a_list_of_another_shape_is_not_believed(hub, wrong):
    hub.switch(**wrong)
    async with refused_at(hub, groups=GROUPS) as error:
        assert (error.error, error.reason) == ("server_error", "api_malformed")


# ── The token endpoint and the callback ───────────────────────────────────────────────────────


@pytest.mark.proves("github", "errors with status 200 are errors")
@pytest.mark.parametrize(
    ("error", "ours", "reason"),
    [
        ("incorrect_client_credentials", "server_error", "token_incorrect_client_credentials"),
        ("bad_verification_code", "server_error", "token_bad_verification_code"),
        ("redirect_uri_mismatch", "server_error", "token_redirect_uri_mismatch"),
        ("unverified_user_email", "access_denied", "upstream_access_denied"),
        ("application_suspended", "server_error", "token_application_suspended"),
        ("slow_down", "temporarily_unavailable", "upstream_unavailable"),
    ],
)
async def test_an_error_with_status_200_is_an_error(hub, error, ours, reason):
    hub.switch(error_200=error)
    async with refused_at(hub) as told:
        assert (told.error, told.reason) == (ours, reason)
    assert len(hub.seen("token")) == 1


@pytest.mark.parametrize("error", ["access_denied", "application_suspended", "redirect_uri_mismatch"])
async def test_an_error_on_the_callback_becomes_ours(hub, error):
    said = next(one for one in recorded("github/callback.errors.json") if one["error"] == error)
    hub.switch(callback={"code": None, **said})
    async with refused_at(hub) as told:
        assert told.error == ("access_denied" if error == "access_denied" else "server_error")


async def test_a_token_answer_that_is_not_json_is_not_read_as_something_else(hub):
    hub.switch(form_encoded_default=True)
    async with refused_at(hub) as error:
        assert error.reason == "token_not_json"


@pytest.mark.proves("github", "who grants less than was asked for is not let in on the rest")
@pytest.mark.parametrize(
    ("granted", "good"),
    [
        ("user:email,read:org", True),
        ("read:org user:email", True),
        ("user,admin:org", True),
        ("user,write:org,repo", True),
        ("user:email", False),
        ("read:org", False),
        ("read:user,read:org", False),
        ("", False),
        ("user:emails,read:orgs", False),
    ],
)
async def test_what_was_granted_is_looked_at(hub, granted, good):
    hub.switch(scope_reduced=granted)
    async with at(hub, groups=GROUPS) as stage:
        if good:
            assert (await stage.sign_in()).api["groups"]
            return
        error = await stage.refused()
    assert error.error == "access_denied"
    assert error.detail.startswith("GitHub did not grant ")
    assert not hub.seen("user")


@pytest.mark.parametrize("scope", [None, 7, ["user:email"]])
async def test_a_token_that_says_nothing_of_its_scope_has_none(hub, scope):
    hub.switch(token={"scope": scope})
    async with refused_at(hub) as error:
        assert error.error == "access_denied"


async def test_a_token_answer_without_a_token_is_nobody(hub):
    hub.switch(token={"access_token": None})
    async with refused_at(hub) as error:
        assert error.reason == "access_token_missing"


@pytest.mark.proves("github", "iss on the callback: equal where it is there")
@pytest.mark.row("CB-09")
@pytest.mark.parametrize(
    ("iss", "good"), [(None, True), ("absent", True), ("wrong", False)], ids=["there", "absent", "wrong"]
)
async def test_the_issuer_on_the_callback_is_github_or_nobody(hub, iss, good):
    hub.switch(iss=iss)
    async with at(hub) as stage:
        if good:
            await stage.sign_in()
            return
        assert (await stage.refused()).reason == "callback_iss_mismatch"
    assert not hub.seen("token")


async def test_the_issuer_of_github_itself_is_known():
    connector = github.Connector(settings(), Desk({}, {}).tools)
    assert recorded("github/oauth-endpoints.json")["issuer"] == settings().issuer
    for wrong in ("https://github.com", "https://github.com/login/oauth/"):
        with pytest.raises(UpstreamInvalid) as caught:
            await connector.finish(LOGIN, {"code": "c", "iss": wrong}, {})
        assert caught.value.reason == "callback_iss_mismatch"


@pytest.mark.proves("github", "a code of another login is worth nothing")
@pytest.mark.row("CB-17")
async def test_a_code_of_another_login_is_worth_nothing(hub):
    async with at(hub) as stage:
        theirs, mine = stage.login(), stage.login()
        stolen = await theirs.at_the_upstream()
        await mine.begin()
        with pytest.raises(ServerError) as caught:
            await mine.finish({**stolen, "state": mine.state})
        assert caught.value.reason == "token_bad_verification_code"


async def test_a_server_that_does_not_know_pkce_serves_logins(hub):
    hub.switch(no_pkce_support=True)
    async with at(hub) as stage:
        assert (await stage.sign_in()).api["login"] == "ann"


@pytest.mark.row("CB-46")
async def test_logins_at_one_time_are_not_mixed_up(hub):
    async with at(hub, groups=GROUPS) as stage:
        people = [f"p{number}" for number in range(12)]
        for person in people:
            hub.person(person, id=5000 + int(person[1:]), orgs=[org(int(person[1:]) + 1, person)])

        async def sign_in(person):
            hub.current = person
            login = stage.login()
            answer = await hub.sign_in(await login.begin() + f"&login={person}")
            return await login.finish(answer)

        found = await asyncio.gather(*(sign_in(person) for person in people))
    assert [one.subject for one in found] == [str(5000 + number) for number in range(12)]
    assert [one.api["groups"] for one in found] == [[person] for person in people]


# ── Whose token it is ─────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "that the token is this app's and this person's, on demand")
@pytest.mark.row("CB-35")
async def test_a_token_of_our_own_passes_the_check(hub):
    async with at(hub, check_token=True) as stage:
        await stage.sign_in()
    assert len(hub.seen("check")) == 1


@pytest.mark.row("CB-35")
@pytest.mark.parametrize(
    ("wrong", "ours", "reason"),
    [
        ({"token_app": "another"}, "server_error", "token_of_another_app"),
        ({"check": {"app": None}}, "server_error", "token_of_another_app"),
        ({"token_user": 7}, "server_error", "token_of_another_user"),
        ({"check": {"user": None}}, "server_error", "token_of_another_user"),
        ({"check": "404"}, "access_denied", "upstream_access_denied"),
        ({"check": "422"}, "access_denied", "upstream_access_denied"),
        ({"check": "401"}, "server_error", "token_check_refused"),
        ({"check": "500"}, "temporarily_unavailable", "upstream_unavailable"),
    ],
    ids=str,
)
async def test_a_token_that_is_not_ours_is_nobody(hub, wrong, ours, reason):
    hub.switch(**wrong)
    async with refused_at(hub, check_token=True) as error:
        assert (error.error, error.reason) == (ours, reason)


# ── Asked again, and looked at ────────────────────────────────────────────────────────────────


@pytest.mark.proves("github", "asked again at a refresh: groups follow, and who left is out")
@pytest.mark.row("UI-19")
async def test_who_is_asked_about_again_has_the_groups_of_now(hub):
    async with at(hub, groups=GROUPS, allowed_organizations=["acme"]) as stage:
        first = await stage.sign_in()
        hub.person("ann", id=int(first.subject), orgs=[ACME], teams=[])
        again = await stage.upstream.refresh(first.keep)
        assert (again.issuer, again.subject, again.keep) == (first.issuer, first.subject, first.keep)
        assert again.api["groups"] == ["Acme"]
        hub.person("ann", id=int(first.subject), orgs=[PARTNER])
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
        hub.switch(orgs="500")
        with pytest.raises(TemporarilyUnavailable):
            await stage.upstream.refresh(first.keep)


@pytest.mark.proves("github", "asked again at a refresh: a revoked token ends it")
async def test_a_token_that_was_revoked_ends_what_stands_on_it(hub):
    async with at(hub) as stage:
        first = await stage.sign_in()
        assert isinstance(stage.upstream._connector, CanRefresh)
        hub.revoke()
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
        with pytest.raises(OAuthError):
            await stage.upstream.refresh({})


async def test_a_probe_tells_right_credentials_from_wrong_ones(hub):
    async with at(hub) as stage:
        connector = stage.upstream._connector
        assert isinstance(connector, CanProbe)
        found = {one.what: one.good for one in await connector.probe()}
        assert found == {
            "API": True,
            "our credentials": True,
            "redirect URI": None,
            "who may sign in": None,
        }
        hub.switch(check="401")
        assert {one.what: one.good for one in await connector.probe()}["our credentials"] is False
        hub.switch(check="500")
        assert {one.what: one.good for one in await connector.probe()}["our credentials"] is None
        hub.switch(check="418")
        assert {one.what: one.good for one in await connector.probe()}["our credentials"] is None
        hub.switch(meta="500")
        assert [(one.what, one.good) for one in await connector.probe()] == [("API", False)]
        with pytest.raises(TemporarilyUnavailable):
            await stage.upstream.ping()
        hub.switch(meta="403")
        await stage.upstream.ping()


async def test_a_probe_says_who_may_sign_in(hub):
    async with at(hub, allowed_organizations=["acme", 502], allowed_teams=["acme:platform"]) as stage:
        who = (await stage.upstream._connector.probe())[-1]
    assert (who.good, who.detail) == (True, "members of acme, 502, acme:platform")


async def test_a_github_app_is_told_from_an_oauth_app(hub):
    hub.switch(scope_reduced=" ")
    async with refused_at(hub) as error:
        assert "a GitHub App has no scopes" in error.detail


async def test_a_token_is_in_no_text_about_the_identity(hub):
    async with at(hub) as stage:
        identity = await stage.sign_in()
    assert identity.keep["access_token"].startswith("gho_")
    assert "gho_" not in repr(identity)


# ── What an operator may write ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "issuer", "api"),
    [
        ("github.com", "https://github.com/login/oauth", "https://api.github.com"),
        ("acme.ghe.com", "https://acme.ghe.com/login/oauth", "https://api.acme.ghe.com"),
        ("git.acme.example", "https://git.acme.example/login/oauth", "https://git.acme.example/api/v3"),
        (
            "git.acme.example:8443",
            "https://git.acme.example:8443/login/oauth",
            "https://git.acme.example:8443/api/v3",
        ),
        ("evil-ghe.com", "https://evil-ghe.com/login/oauth", "https://evil-ghe.com/api/v3"),
        ("a.b.ghe.com", "https://a.b.ghe.com/login/oauth", "https://a.b.ghe.com/api/v3"),
    ],
)
def test_the_addresses_follow_the_host(host, issuer, api):
    found = settings(host=host)
    assert (found.issuer, found.api) == (issuer, api)


def test_the_addresses_of_github_are_those_that_it_documents():
    said = recorded("github/oauth-endpoints.json")
    found = settings()
    assert f"{found.issuer}/authorize" == said["authorization_endpoint"]
    assert f"{found.issuer}/access_token" == said["token_endpoint"]
    assert f"{found.api}/user" == said["userinfo"]
    assert said["ghes"]["api"].replace("{host}", "h.example") == settings(host="h.example").api


@pytest.mark.proves("github", "github.com and an enterprise's own ghe.com, with the API on a host of its own")
@pytest.mark.parametrize("host", ["github.com", "acme.ghe.com"])
async def test_the_cloud_has_its_api_on_a_host_of_its_own(host):
    async with FakeGitHub.running(hosts=(host, f"api.{host}"), api="") as hub:
        hub.person("ann", orgs=[ACME, PARTNER])
        hub.switch(paged=1)
        async with at(hub, groups=["{org}"]) as stage:
            identity = await stage.sign_in()
    assert (identity.issuer, identity.api["groups"]) == (f"https://{host}/login/oauth", ["Acme", "partner"])
    assert hub.seen("orgs")[1].query["page"] == "2"


@pytest.mark.row("UI-05")
async def test_the_same_number_on_two_hosts_is_two_people(hub):
    async with FakeGitHub.running(hosts=("github.com", "api.github.com"), api="") as other:
        other.person("bob", id=hub.people["ann"]["id"])
        async with at(other) as stage, at(hub) as here:
            theirs, ours = await stage.sign_in(), await here.sign_in()
    assert theirs.subject == ours.subject
    assert theirs.issuer != ours.issuer


def test_the_api_may_be_elsewhere():
    assert settings(api_url="https://api.example/").api == "https://api.example"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"client_secret": None}, "client_secret"),
        ({"host": "https://github.com"}, "host"),
        ({"host": "github.com/login"}, "host"),
        ({"api_url": "http://api.example"}, "must be https"),
        ({"groups": ["{org"]}, "knows {org}"),
        ({"groups": ["{0.__class__}{org}"]}, "knows {org}"),
        ({"groups": ["everybody"]}, "must have {org}"),
        ({"allowed_organizations": []}, "allowed_organizations"),
        ({"allowed_organizations": [0]}, "allowed_organizations"),
        ({"allowed_organizations": [True]}, "allowed_organizations"),
        ({"allowed_organizations": ["a b"]}, "allowed_organizations"),
        ({"allowed_teams": ["acme/platform"]}, "allowed_teams"),
        ({"allowed_teams": ["acme"]}, "allowed_teams"),
        ({"scope": "user:email", "groups": ["{org}"]}, "must contain read:org"),
        ({"scope": "user:email,read:org"}, "no comma"),
        ({"use_login_as_id": True}, "use_login_as_id"),
    ],
    ids=str,
)
def test_what_cannot_work_or_is_not_safe_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert said in str(caught.value)


def mapped(**api):
    return apply(compile_map(yaml.safe_load(github.CLAIMS)), Documents(api=api)).claims


@pytest.mark.proves("github", "a claims map of its own")
async def test_what_github_says_becomes_our_words(hub):
    async with at(hub, groups=["{org}"]) as stage:
        claims = mapped(**(await stage.sign_in()).api)
    assert claims == {
        "name": "Ann",
        "preferred_username": "ann",
        "profile": "https://github.com/ann",
        "picture": f"https://avatars.githubusercontent.com/u/{hub.people['ann']['id']}?v=4",
        "updated_at": 1200285215,
        "email": "ann@example.com",
        "email_verified": True,
        "groups": ["Acme", "partner"],
    }
    assert mapped(login="bob", name=None, email=None, email_verified=False) == {
        "name": "bob",
        "preferred_username": "bob",
        "email_verified": False,
    }


# ── The fake is like GitHub ───────────────────────────────────────────────────────────────────


async def fetched(method, url, **how):
    async with aiohttp.ClientSession() as browser, browser.request(method, url, **how) as response:
        return response.status, response.content_type, await response.text(), response.headers


async def code_of(hub, **asked):
    query = "&".join(f"{name}={value}" for name, value in {"client_id": "broker", **asked}.items())
    url = f"{hub.url('authorize')}?redirect_uri=https://b.example/cb&state=s&{query}"
    return (await hub.sign_in(url))["code"]


async def redeemed(hub, code, accept="application/json", **form):
    said = {"client_id": "broker", "client_secret": hub.client_secret, "code": code, **form}
    return await fetched("POST", hub.url("token"), data=said, headers={"Accept": accept})


async def test_fake_answers_in_the_shapes_that_github_documents(hub):
    status, kind, text, _ = await redeemed(hub, await code_of(hub, scope="read:org user:email"))
    assert (status, kind) == (200, "application/json")
    said = recorded("github/token.response.json")
    assert all(f'"{name}"' in text for name in said)
    assert '"scope": "read:org,user:email"' in text
    _, kind, text, _ = await redeemed(hub, await code_of(hub, scope="gist"), accept="*/*")
    documented = recorded("github/token.response.form-default.txt.json")
    assert kind == documented["content_type"]
    assert dict(parse_qsl(text)).keys() == dict(parse_qsl(documented["body"])).keys()


async def test_fake_takes_a_code_once_for_ten_minutes_with_its_own_verifier(hub):
    hub.now = clock = Clock()
    errors = {one["body"]["error"]: one["body"] for one in recorded("github/token.errors.json")}
    code = await code_of(hub)
    await redeemed(hub, code)
    status, _, text, _ = await redeemed(hub, code)
    assert status == 200
    assert errors["bad_verification_code"]["error_description"] in text
    late = await code_of(hub)
    clock.forward(601)
    assert "bad_verification_code" in (await redeemed(hub, late))[2]
    bound = await code_of(hub, code_challenge=challenge_of("v" * 43), code_challenge_method="S256")
    assert "bad_verification_code" in (await redeemed(hub, bound, code_verifier="w" * 43))[2]
    other = await redeemed(hub, await code_of(hub), redirect_uri="https://evil.example/")
    assert errors["redirect_uri_mismatch"]["error_description"] in other[2]
    wrong = await redeemed(hub, await code_of(hub), client_secret="wrong")
    assert (wrong[0], errors["incorrect_client_credentials"]["error_description"] in wrong[2]) == (200, True)


async def test_fake_grants_what_was_granted_before_where_no_scope_is_asked_for(hub):
    await redeemed(hub, await code_of(hub, scope="read:org"))
    assert '"scope": "read:org"' in (await redeemed(hub, await code_of(hub)))[2]


async def test_fake_refuses_at_the_api_as_github_documents(hub):
    errors = {one["status"]: one for one in recorded("github/api.errors.json")}
    api = f"{hub.base}/api/v3"
    assert (await fetched("GET", f"{api}/user"))[0] == 401
    assert errors[401]["body"]["message"] in (await fetched("GET", f"{api}/user"))[2]
    text = (await redeemed(hub, await code_of(hub, scope="gist")))[2]
    token = {"Authorization": f"Bearer {text.split('access_token')[1][4:44]}"}
    assert (await fetched("GET", f"{api}/user", headers=token))[0] == 200
    for path in ("emails", "orgs", "teams"):
        status, _, text, _ = await fetched("GET", f"{api}/user/{path}", headers=token)
        assert (status, errors[404]["body"]["message"] in text) == (404, True)
    odd = {**token, "X-GitHub-Api-Version": "1999-01-01"}
    assert (await fetched("GET", f"{api}/user", headers=odd))[0] == 400
    status, _, text, _ = await fetched("GET", f"{api}/user", headers={**token, "User-Agent": ""})
    assert (status, "User-Agent" in text) == (403, True)


async def test_fake_shows_what_github_documents_of_people_and_their_memberships(hub):
    text = (await redeemed(hub, await code_of(hub, scope="user read:org")))[2]
    token = {"Authorization": f"token {text.split('access_token')[1][4:44]}"}
    api = f"{hub.base}/api/v3"
    for path, needed in (
        ("/user", {"login", "id", "avatar_url", "html_url", "name", "email", "updated_at"}),
        ("/user/emails", {"email", "verified", "primary", "visibility"}),
        ("/user/orgs", {"login", "id", "node_id"}),
        ("/user/teams", {"id", "name", "slug", "organization"}),
    ):
        said = recorded(DOCUMENTED[path])
        status, _, text, _ = await fetched("GET", f"{api}{path}", headers=token)
        assert status == 200
        assert needed <= (said if isinstance(said, dict) else said[0]).keys()
        assert all(f'"{member}"' in text for member in needed)


async def test_what_github_documents_of_an_account_is_understood():
    class Recorded(Desk):
        async def post(self, url, form, *, basic=None, bearer=None):
            answer = await super().post(url, form)
            body = recorded("github/token.response.json")
            return type(answer)(200, "application/json", json.dumps(body).encode())

        async def get(self, url, *, bearer=None, accept="", headers=None):
            self.got.append(url)
            body = json.dumps(recorded(DOCUMENTED[urlsplit(url).path])).encode()
            return type(await super().get(url))(200, "application/json", body)

    desk = Recorded({"sub": "unused"}, {})
    connector = github.Connector(settings(groups=GROUPS), desk.tools)
    identity = await connector.finish(LOGIN, {"code": "c", "iss": "https://github.com/login/oauth"}, {})
    assert (identity.issuer, identity.subject) == ("https://github.com/login/oauth", "1")
    assert identity.api["groups"] == ["github", "github:justice-league"]
    assert identity.api["email"] == "octocat@github.com"
    assert desk.posted[0]["url"] == "https://github.com/login/oauth/access_token"
    assert desk.got[0] == "https://api.github.com/user"
