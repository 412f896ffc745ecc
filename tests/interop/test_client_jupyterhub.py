"""JupyterHub with oauthenticator at both upstreams: plain OAuth 2, and groups that say who may come."""

from __future__ import annotations

import dataclasses

import pytest
import pytest_asyncio

from tests.interop import between, broker, jupyterhub
from tests.interop.between import ADA, ALICE, Between, Person
from tests.interop.browser import Browser, Page

GRACE = dataclasses.replace(ADA, fields={"login": "grace", "password": "whatever it is"}, username="grace")

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(jupyterhub.missing() is not None, reason=str(jupyterhub.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and a hub for the groups of Ada and Alice."""
    site = jupyterhub.address()
    client = {
        **broker.TRUSTED_APP,
        "redirect_uris": [f"{site}/hub/oauth_callback"],
        "post_logout_redirect_uris": [f"{site}/hub/login"],
        "grant_types": ["authorization_code"],
        "scope": "openid profile email staff",
        "token_endpoint_auth_method": "client_secret_post",
    }
    folder = tmp_path_factory.mktemp("jupyterhub")
    async with (
        between.serving(folder, acme, {"notebooks": client}) as here,
        jupyterhub.serving(
            folder,
            site,
            issuer=here.issuer,
            client_id="notebooks",
            client_secret=broker.APP_SECRET,
            allowed_groups=["engines", "/sales"],
            admin_groups=["/engineering/platform"],
        ) as hub,
    ):
        yield here, hub


async def log_in(here: Between, hub: jupyterhub.Hub, browser: Browser, person: Person) -> Page:
    """From the hub's login page to where it leads her."""
    page = await browser.page(f"{hub.site}/hub/login?next=%2Fhub%2Fhome")
    (button,) = [link for link in page.links if "/oauth_login" in link]
    back = await between.sign_in(here, browser, await browser.open(button), person)
    assert isinstance(back, Page)
    return back


@between.AT_BOTH
@pytest.mark.standard("RFC 6749", "§4.1 a code flow of an app that knows no OpenID Connect")
@pytest.mark.standard("OpenID Core", "§5.3 userinfo read by oauthenticator")
async def test_the_hub_knows_the_person_and_her_groups(house, person: Person):
    here, hub = house
    async with here.browser(sites=(hub.site,)) as browser:
        back = await log_in(here, hub, browser, person)
    assert (back.url, back.status) == (f"{hub.site}/hub/home", 200)

    user = (await hub.users())[person.username]
    assert sorted(user["groups"]) == sorted(person.groups)
    assert user["admin"] is (person is ALICE)
    told = user["auth_state"]["oauth_user"]
    assert (told["name"], told["email"]) == (person.name, person.email)
    assert told["sub"] not in ("", person.username)


async def test_the_hub_turns_away_who_is_in_none_of_its_groups(house):
    here, hub = house
    async with here.browser(sites=(hub.site,)) as browser:
        back = await log_in(here, hub, browser, GRACE)
    assert back.status == 403
    assert "grace" not in await hub.users()


@pytest.mark.standard(
    "OpenID RP-Initiated Logout", "§2 without a hint the person is asked; then back by client_id"
)
async def test_the_hub_has_the_person_asked_whether_she_signs_out_of_all(house):
    here, hub = house
    async with here.browser(sites=(hub.site,)) as browser:
        await log_in(here, hub, browser, ADA)
        question = await browser.page(f"{hub.site}/hub/logout")
        assert question.site == here.issuer
        back = await browser.submit(question, button=("answer", "sign_out"))
        assert isinstance(back, Page)
        assert back.url == f"{hub.site}/hub/login"
        (button,) = [link for link in back.links if "/oauth_login" in link]
        assert (await browser.page(button)).site == here.issuer  # the chooser: there is no session any more
