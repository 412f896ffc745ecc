"""OpenID Providers that others wrote, in other languages, each with one client and one person.

Owns how each is set up, started, and signed in at: django-oauth-toolkit, oidc-provider-mock, Glewlwyd and
LemonLDAP::NG. All of them speak to loopback only, and keep what they write in the test's own folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.interop.browser import Arrival, Browser, Page
from tests.interop.processes import STARTS, free_port, running

SERVERS = Path(__file__).parent / "servers"
PYTHON = SERVERS / ".venv" / "bin" / "python"
GLEWLWYD_CONFIG = Path("/etc/glewlwyd/glewlwyd.conf")
GLEWLWYD_TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
LEMON_CONFIG = Path("/var/lib/lemonldap-ng/conf/lmConf-1.json")
LEMON_TEMPLATES = Path("/usr/share/lemonldap-ng/portal/templates")

CLIENT, SECRET = "broker", "the-broker-and-a-stranger-know-it"
PASSWORD = "ada-knows-1"

SignIn = Callable[[Browser, str], Awaitable[Page | Arrival]]


@dataclass(frozen=True)
class Stranger:
    """One provider that serves."""

    issuer: str
    subject: str
    sign_in: SignIn
    """From the broker's address for a login to wherever it ends."""


def missing() -> str | None:
    """What of all this is not here, or None."""
    if not PYTHON.exists():
        return "no environment for upstreams in Python (.ci/machine makes it)"
    if shutil.which("glewlwyd") is None:
        return "no Glewlwyd"
    if not os.access(LEMON_CONFIG, os.R_OK):
        return "no LemonLDAP::NG, or its configuration may not be read"
    asked = ["perl", "-MLemonldap::NG::Portal", "-MPlack", "-e", "1"]
    perl = subprocess.run(asked, capture_output=True, check=False)
    return None if perl.returncode == 0 else "no LemonLDAP::NG"


def _key() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def _by_form(fields: dict[str, str]) -> SignIn:
    """At a page with a form, as most have."""

    async def sign_in(browser: Browser, url: str) -> Page | Arrival:
        page = await browser.open(url)
        return await browser.submit(page, fields) if isinstance(page, Page) else page

    return sign_in


# ── In Python ─────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def toolkit(folder: Path, redirect_uri: str) -> AsyncIterator[Stranger]:
    """Django with django-oauth-toolkit: oauthlib's habits."""
    asked = {
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uri": redirect_uri,
        "port": free_port(),
        "database": str(folder / "toolkit.sqlite"),
        "password": PASSWORD,
    }
    async with running(PYTHON, SERVERS / "toolkit.py", json.dumps(asked)) as process:
        line = await process.says('{"issuer"', within=STARTS)
        sign_in = _by_form({"username": "ada", "password": PASSWORD})
        yield Stranger(json.loads(line)["issuer"], "1", sign_in)


@contextlib.asynccontextmanager
async def mock() -> AsyncIterator[Stranger]:
    """oidc-provider-mock: no ``kid``, and ``aud`` is a list."""
    port = free_port()
    person = {"sub": "ada", "userinfo": {"email": "ada@acme.example", "name": "Ada Example"}}
    command = [PYTHON, "-m", "oidc_provider_mock", "--port", str(port), "--user-claims", json.dumps(person)]
    async with running(*command) as process:
        await process.says("running on", within=STARTS)
        yield Stranger(f"http://localhost:{port}", "ada", _by_form({"sub": "ada"}))


# ── Glewlwyd ──────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def glewlwyd(folder: Path, redirect_uri: str) -> AsyncIterator[Stranger]:
    """Glewlwyd: an issuer with a path, double slashes in its endpoints, ``token_type: bearer``."""
    port, database = free_port(), folder / "glewlwyd.sqlite"
    _make_tables(database)
    base = f"http://127.0.0.1:{port}"
    config = folder / "glewlwyd.conf"
    config.write_text(_glewlwyd_config(port, base, database))
    async with running("glewlwyd", f"--config-file={config}") as process:
        await process.says("Glewlwyd started", within=STARTS)
        async with aiohttp.ClientSession(f"{base}/api/", cookie_jar=aiohttp.CookieJar(unsafe=True)) as admin:
            await _set_up(admin, base, redirect_uri)
        yield Stranger(f"{base}/api/oidc", "", _at_glewlwyd(base))


def _make_tables(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as tables:
        tables.executescript(GLEWLWYD_TABLES.read_text())


def _glewlwyd_config(port: int, base: str, database: Path) -> str:
    """The package's own, made to serve from here."""
    changed = {
        "port=": f'port={port}\nbind_address="127.0.0.1"',
        "external_url=": f'external_url="{base}/"',
        "log_mode=": 'log_mode="console"',
        "@include": f'database = {{ type = "sqlite3"; path = "{database}"; }};',
    }
    lines = GLEWLWYD_CONFIG.read_text().splitlines()
    return "\n".join(
        next((new for old, new in changed.items() if line.startswith(old)), line) for line in lines
    )


async def _set_up(admin: aiohttp.ClientSession, base: str, redirect_uri: str) -> None:
    private, public = _key()
    said: list[tuple[str, dict[str, Any]]] = [
        ("auth/", {"username": "admin", "password": "password"}),
        ("mod/plugin", _glewlwyd_plugin(f"{base}/api/oidc", private, public)),
        (
            "user/",
            {
                "username": "ada",
                "password": PASSWORD,
                "name": "Ada Example",
                "email": "ada@acme.example",
                "scope": ["openid", "g_profile"],
                "enabled": True,
            },
        ),
        (
            "client/",
            {
                "client_id": CLIENT,
                "client_secret": SECRET,
                "name": "Broker",
                "confidential": True,
                "enabled": True,
                "authorization_type": ["code", "refresh_token"],
                "redirect_uri": [redirect_uri],
                "token_endpoint_auth_method": ["client_secret_basic"],
                "scope": [],
            },
        ),
    ]
    for path, body in said:
        async with admin.post(path, json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"Glewlwyd refused {path}: {await answer.text()}")


def _glewlwyd_plugin(issuer: str, private: str, public: str) -> dict[str, Any]:
    wanted = ("allow-non-oidc", "auth-type-code-enabled", "auth-type-refresh-enabled", "pkce-allowed")
    unwanted = (
        "auth-type-none-enabled",
        "auth-type-password-enabled",
        "auth-type-client-enabled",
        "auth-type-device-enabled",
        "auth-type-token-enabled",
        "pkce-method-plain-allowed",
        "request-parameter-allow",
        "encrypt-out-token-allow",
        "introspection-revocation-allowed",
        "register-client-allowed",
        "session-management-allowed",
    )
    parameters = {
        "iss": issuer,
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": private,
        "cert": public,
        "access-token-duration": 3600,
        "refresh-token-duration": 86400,
        "code-duration": 600,
        "refresh-token-rolling": True,
        "auth-type-id-token-enabled": True,
        "jwks-show": True,
        "scope": [],
        "additional-parameters": [],
        "claims": [],
        "subject-type": "public",
        "address-claim": {"type": "no"},
        "name-claim": "mandatory",
        "email-claim": "mandatory",
        "scope-claim": "no",
        **dict.fromkeys(wanted, True),
        **dict.fromkeys(unwanted, False),
    }
    return {"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "parameters": parameters}


def _at_glewlwyd(base: str) -> SignIn:
    """Its login page is a program for a browser; here its API is spoken to in that page's stead."""

    async def sign_in(browser: Browser, url: str) -> Page | Arrival:
        await browser.page(url)
        asked = browser.visited[-2]
        await browser.call("POST", f"{base}/api/auth/", {"username": "ada", "password": PASSWORD})
        await browser.call("PUT", f"{base}/api/auth/grant/{CLIENT}", {"scope": "openid"})
        return await browser.open(f"{asked}&g_continue")

    return sign_in


# ── LemonLDAP::NG ─────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def lemonldap(folder: Path, redirect_uri: str) -> AsyncIterator[Stranger]:
    """LemonLDAP::NG with its demonstration people: an issuer with a slash, ``aud`` a list, ``azp``."""
    port = free_port()
    for part in ("conf", "cache", "sessions/lock", "psessions/lock"):
        (folder / part).mkdir(parents=True)
    issuer = f"http://localhost:{port}/"
    (folder / "conf" / "lmConf-1.json").write_text(json.dumps(_lemon_config(folder, issuer, redirect_uri)))
    (folder / "lemonldap-ng.ini").write_text(_lemon_ini(folder))
    command = ["plackup", "-s", "HTTP::Server::PSGI", "--host", "127.0.0.1", "--port", str(port)]
    env = {"LLNG_DEFAULTCONFFILE": str(folder / "lemonldap-ng.ini")}
    async with running(*command, SERVERS / "portal.psgi", env=env) as process:
        await process.says("Accepting connections", within=STARTS)
        yield Stranger(issuer, "dwho", _by_form({"user": "dwho", "password": "dwho"}))


def _lemon_ini(folder: Path) -> str:
    options = f"{{ 'namespace' => 'c', 'cache_root' => '{folder}/cache', 'cache_depth' => 3 }}"
    return f"""[all]
logLevel = warn
[configuration]
type = File
dirName = {folder}/conf
localStorage = Cache::FileCache
localStorageOptions = {options}
[portal]
staticPrefix = /static
templateDir = {LEMON_TEMPLATES}
languages = en
"""


def _lemon_config(folder: Path, issuer: str, redirect_uri: str) -> dict[str, Any]:
    """The package's own, with the OpenID Provider switched on and our client entered."""
    private, public = _key()
    options = {
        "ClientID": CLIENT,
        "ClientSecret": SECRET,
        "RedirectUris": redirect_uri,
        "IDTokenSignAlg": "RS256",
        "BypassConsent": 1,
        "RequirePKCE": 1,
        "AllowOffline": 1,
        "RefreshToken": 1,
    }
    return {
        **json.loads(LEMON_CONFIG.read_text()),
        "portal": issuer,
        "domain": "localhost",
        "cookieName": "llng",
        "captcha": "NoPictures",
        "notification": 0,
        "localSessionStorage": "",
        "passwordDB": "Null",
        "registerDB": "Null",
        "portalCheckLogins": 0,
        "requireToken": 0,
        "locationRules": {"default": {}},
        "globalStorageOptions": {
            "Directory": f"{folder}/sessions",
            "LockDirectory": f"{folder}/sessions/lock",
        },
        "persistentStorageOptions": {
            "Directory": f"{folder}/psessions",
            "LockDirectory": f"{folder}/psessions/lock",
        },
        "issuerDBOpenIDConnectActivation": 1,
        "oidcServiceMetaDataIssuer": issuer,
        "oidcServicePrivateKeySig": private,
        "oidcServicePublicKeySig": public,
        "oidcServiceKeyIdSig": "first",
        "oidcServiceAllowAuthorizationCodeFlow": 1,
        "oidcServiceAllowOffline": 1,
        "oidcRPMetaDataOptions": {
            "broker": {f"oidcRPMetaDataOptions{name}": value for name, value in options.items()}
        },
        "oidcRPMetaDataExportedVars": {
            "broker": {"name": "cn", "email": "mail", "preferred_username": "uid"}
        },
    }
