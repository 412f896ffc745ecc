"""What each kind of upstream ships: a module, a claims map, a picture, and a page whose example works."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from broker.config import load
from broker.connector import ConnectorSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "connectors"
MODULES = {entry.name: entry.value for entry in entry_points(group="federation_broker.connectors")}
PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
BROKER: Mapping[str, Any] = {
    "issuer": "http://127.0.0.1:8999",
    "state_dir": "state",
    "clients": {
        "app": {
            "client_name": "App",
            "client_secret": "0123456789abcdefghijklmnopqrstuvwxyz",
            "redirect_uris": ["https://app.example/"],
        }
    },
}


SHAPED = {"APPLE_TEAM_ID": "TEAM123456", "APPLE_KEY_ID": "KEY1234567"}
"""Values that have a shape of their vendor's."""


def value_of(name: str) -> str:
    """What an operator might have in this variable."""
    if name in SHAPED:
        return SHAPED[name]
    return PEM.decode() if "KEY" in name and "ID" not in name else f"{name.lower()}-{'0123456789' * 4}"


def example(kind: str) -> str:
    """The one example of its page."""
    page = (DOCS / f"{kind}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if block.startswith("connectors:")]
    return block


@pytest.mark.parametrize("kind", MODULES)
def test_its_module_is_a_connector(kind):
    module = import_module(MODULES[kind])
    assert issubclass(module.Settings, ConnectorSettings)
    assert all(callable(getattr(module.Connector, duty)) for duty in ("begin", "finish", "ping"))
    undocumented = [name for name, key in module.Settings.model_fields.items() if not key.description]
    assert undocumented == []


@pytest.mark.parametrize("kind", MODULES)
def test_its_claims_map_is_beside_it_and_says_what_it_makes_of_an_example(kind):
    module = import_module(MODULES[kind])
    assert (ROOT / "connectors" / "claims" / f"{kind}.yaml").read_text(encoding="utf-8") == module.CLAIMS
    assert yaml.safe_load(module.CLAIMS)["examples"]


@pytest.mark.parametrize("kind", MODULES)
def test_it_has_a_picture_of_its_own(kind):
    assert (ROOT / "broker" / "pages" / "static" / "icons" / f"{kind}.svg").exists()


@pytest.mark.parametrize("kind", MODULES)
def test_the_example_of_its_page_is_one_that_the_broker_takes(kind, tmp_path):
    block = example(kind)
    for path in re.findall(r"\bfile:([^\s#,\]}]+)", block):
        (tmp_path / "secrets").mkdir(exist_ok=True)
        file = tmp_path / "secrets" / Path(path).name
        file.write_text(value_of(Path(path).name.upper()))
        block = block.replace(f"file:{path}", f"file:{file}")
    names = re.findall(r"\$\{([A-Z0-9_]+)", block)
    (tmp_path / "broker.yaml").write_text(yaml.safe_dump(dict(BROKER)) + block, encoding="utf-8")
    config = load(tmp_path / "broker.yaml", {name: value_of(name) for name in names})
    assert kind in {connector.type for connector in config.connectors.values()}


def test_every_page_is_about_a_connector_and_every_connector_has_one():
    assert {page.stem for page in DOCS.glob("*.md")} - {"README"} == set(MODULES)
