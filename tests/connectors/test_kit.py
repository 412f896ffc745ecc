"""The connector kit, over every connector: each passes the same suite, at its vendor's own personality."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from broker.kit import FakeProvider, OAuth2Kit, OpenIDKit
from tests.fakes import apple, azure_b2c, entra
from tests.fakes.auth0 import FakeAuth0
from tests.fakes.azure_b2c import FakeB2C
from tests.fakes.cognito import POOL, FakeCognito
from tests.fakes.entra import FakeEntra
from tests.fakes.entrust import FakeEntrust
from tests.fakes.github import FakeGitHub
from tests.fakes.gitlab import FakeGitLab
from tests.fakes.google import FakeGoogle
from tests.fakes.keycloak import FakeKeycloak
from tests.fakes.okta import FakeOkta

CLIENT = {"client_id": "{client_id}", "client_secret": "{client_secret}"}
OFFLINE = {"scope": "openid profile email offline_access"}


class TestOidc(OpenIDKit):
    asked_again = OFFLINE
    connector: ClassVar = {"type": "oidc", "issuer": "{issuer}", **CLIENT}


class TestAuth0(OpenIDKit):
    provider = FakeAuth0
    asked_again = OFFLINE
    connector: ClassVar = {"type": "auth0", "domain": "acme.eu.auth0.com", **CLIENT}


class TestOkta(OpenIDKit):
    provider = FakeOkta
    asked_again = OFFLINE
    connector: ClassVar = {
        "type": "okta",
        "domain": "acme.okta.com",
        "authorization_server_id": "default",
        **CLIENT,
    }


class TestKeycloak(OpenIDKit):
    provider = FakeKeycloak
    asked_again = OFFLINE
    connector: ClassVar = {"type": "keycloak", "base_url": "{origin}", "realm": "acme", **CLIENT}


class TestCognito(OpenIDKit):
    provider = FakeCognito
    asked_again: ClassVar = {}
    connector: ClassVar = {"type": "cognito", "user_pool_id": POOL, "endpoint_url": "{origin}", **CLIENT}


class TestEntra(OpenIDKit):
    provider = FakeEntra
    subject_claim = "oid"
    other = "00000000-0000-0000-66f3-000000000002"
    asked_again = OFFLINE
    connector: ClassVar = {
        "type": "entra",
        "tenant": entra.TENANT,
        "authority": "{origin}",
        "graph": "{origin}",
        **CLIENT,
    }

    def say_address_verified(self, idp: FakeProvider, said: Any) -> None:
        idp.switch(xms_edov="missing" if said is None else said)


class TestAzureB2C(OpenIDKit):
    provider = FakeB2C
    userinfo = None
    asked_again: ClassVar = {"scope": "openid offline_access"}
    connector: ClassVar = {
        "type": "azure_b2c",
        "tenant": azure_b2c.NAME,
        "policy": azure_b2c.POLICY,
        "custom_domain": "{host}",
        **CLIENT,
    }


class TestEntrust(OpenIDKit):
    provider = FakeEntrust
    asked_again = OFFLINE
    connector: ClassVar = {"type": "entrust", "domain": FakeEntrust.hosts[0], **CLIENT}


class TestGitHub(OAuth2Kit):
    provider = FakeGitHub
    lists = frozenset({"emails"})
    other_person: ClassVar = {"id": 7}
    asked_again: ClassVar = {}
    connector: ClassVar = {"type": "github", "host": "{host}", **CLIENT}

    def revoke(self, idp: FakeGitHub) -> None:
        idp.revoke()

    def rename(self, idp: FakeProvider) -> None:
        super().rename(idp)
        idp.switch(login_renamed_same_id="a-new-name")

    def say_address_verified(self, idp: FakeProvider, said: Any) -> None:
        listed = idp.people[idp.current]["emails"]
        idp.switch(emails=[{**one, "verified": said} for one in listed])


class TestGoogle(OpenIDKit):
    provider = FakeGoogle
    asked_again: ClassVar = {"access_type": "offline"}
    connector: ClassVar = {"type": "google", **CLIENT}


class TestGitLab(OpenIDKit):
    provider = FakeGitLab
    asked_again: ClassVar = {}
    connector: ClassVar = {"type": "gitlab", "base_url": "{origin}", **CLIENT}


class TestApple(OpenIDKit):
    provider = apple.FakeApple
    userinfo = None
    asked_again: ClassVar = {}
    connector: ClassVar = {
        "type": "apple",
        "client_id": "{client_id}",
        "team_id": apple.TEAM,
        "key_id": apple.KEY_ID,
        "private_key": apple.FakeApple.team_key.private_pem().decode(),
    }


def test_every_kind_of_upstream_is_run_through_the_kit():
    """Those that speak OAuth 2.0 here, the others in test_kit_own.py, `ldap` beside its real directory."""
    text = "".join(path.read_text() for path in Path(__file__).parents[1].glob("*/test_kit*.py"))
    run = set(re.findall(r'"type": "([a-z0-9_]+)"', text))
    installed = {entry.name for entry in entry_points(group="federation_broker.connectors")}
    assert installed - run == set()
