"""A real SimpleSAMLphp as identity provider: Debian's package, its configuration in a folder of the test's.

``php -S`` serves it. Its service providers are known by name and certificate; everything it keeps, sessions
included, lies in the folder.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.fakes.saml import pair
from tests.interop.processes import STARTS, free_port, running

INSTALLED = Path("/usr/share/simplesamlphp")
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "alice": {
        "uid": ["alice"],
        "mail": ["alice@acme.example"],
        "displayName": ["Alice Acme"],
        "givenName": ["Alice"],
        "eduPersonAffiliation": ["member", "staff"],
        "groups": ["Engineering", "Sales, all"],
    },
}

CONFIG = """<?php
$config = [
    'baseurlpath' => '{base}/',
    'certdir' => '{folder}/cert/', 'loggingdir' => '{folder}/log/', 'datadir' => '{folder}/data/',
    'tempdir' => '{folder}/tmp', 'metadatadir' => '{folder}/metadata/',
    'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
    'secretsalt' => 'a-salt-of-these-tests', 'auth.adminpassword' => 'nobody-uses-it',
    'timezone' => 'UTC', 'errorreporting' => false, 'showerrors' => true,
    'logging.handler' => 'errorlog', 'logging.level' => SimpleSAML\\Logger::WARNING,
    'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.secure' => false, 'session.cookie.samesite' => null,
    'session.phpsession.savepath' => '{folder}/sessions', 'store.type' => 'phpsession',
    'session.phpsession.cookiename' => 'SimpleSAML', 'language.default' => 'en',
    'language.available' => ['en'], 'language.cookie.secure' => false, 'theme.use' => 'default',
    'authproc.idp' => [], 'authproc.sp' => [], 'metadata.sources' => [['type' => 'flatfile']],
    'trusted.url.domains' => null, 'enable.http_post' => false, 'proxy' => null,
];
"""
HOSTED = """<?php
$metadata['{entity_id}'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'idp.pem', 'certificate' => 'idp.crt', 'auth' => 'people',
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
    'authproc' => [
        3 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid'],
        100 => ['class' => 'core:AttributeMap', 'name2oid'],
    ],
];
"""


@dataclass(frozen=True)
class SimpleSamlPhp:
    """Where it runs."""

    base_url: str
    folder: Path

    @property
    def entity_id(self) -> str:
        return f"{self.base_url}/idp"

    @property
    def metadata_url(self) -> str:
        return f"{self.base_url}/saml2/idp/metadata.php"

    @property
    def certificate(self) -> str:
        return pair("simplesamlphp").pem

    def know(self, providers: Mapping[str, Mapping[str, Any]]) -> None:
        """From now on these are its service providers, by their entityID."""
        code = f"<?php\n$metadata = json_decode({_php(json.dumps(providers))}, true);\n"
        (self.folder / "metadata" / "saml20-sp-remote.php").write_text(code, encoding="utf-8")


@cache
def version() -> str:
    """As its package says."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "simplesamlphp"], capture_output=True, text=True, check=False
    )
    return shown.stdout.partition("-")[0] or "1.19"


def missing() -> str | None:
    """Why none can run here, or None."""
    if shutil.which("php") is None:
        return "no PHP on PATH"
    return None if INSTALLED.is_dir() else "SimpleSAMLphp is not installed"


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[SimpleSamlPhp]:
    """One that knows no service provider yet, while the block lasts."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    found = SimpleSamlPhp(base, folder)
    _furnish(found)
    php = [
        "php",
        *("-d", "display_errors=0", "-d", "error_reporting=0", "-d", "log_errors=0"),
        *("-d", f"session.save_path={folder / 'sessions'}"),
        *("-S", f"127.0.0.1:{port}", "-t", str(INSTALLED / "www")),
    ]
    environment = {"SIMPLESAMLPHP_CONFIG_DIR": str(folder / "config"), "PHP_CLI_SERVER_WORKERS": "1"}
    async with running(*php, env=environment) as process:
        await process.says("Development Server", within=STARTS)
        yield found


def _furnish(idp: SimpleSamlPhp) -> None:
    folder = idp.folder
    for name in ("cert", "log", "data", "tmp", "metadata", "config", "sessions"):
        (folder / name).mkdir(parents=True)
    ours = pair("simplesamlphp")
    (folder / "cert" / "idp.pem").write_text(ours.private_pem)
    (folder / "cert" / "idp.crt").write_text(ours.pem)
    config = CONFIG.replace("{base}", idp.base_url).replace("{folder}", str(folder))
    (folder / "config" / "config.php").write_text(config)
    people = {f"{name}:{name}-pw": attributes for name, attributes in PEOPLE.items()}
    source = f"['exampleauth:UserPass'] + json_decode({_php(json.dumps(people))}, true)"
    (folder / "config" / "authsources.php").write_text(f"<?php\n$config = ['people' => {source}];\n")
    (folder / "metadata" / "saml20-idp-hosted.php").write_text(HOSTED.replace("{entity_id}", idp.entity_id))
    idp.know({})


def _php(text: str) -> str:
    """A text as PHP writes one in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
