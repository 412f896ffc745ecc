"""The description: for editors and for people, made of what reads the file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.config.connectors import installed, load_module
from broker.config.schema import json_schema, markdown
from broker.config.written import BrokerFile, ScopeEntry
from broker.config.written_client import ClientEntry
from broker.config.written_connector import ConnectorEntry

ROOT = Path(__file__).parents[2]


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from parts(below)
    elif isinstance(value, list):
        for below in value:
            yield from parts(below)


def test_every_key_of_every_model_and_connector_is_explained() -> None:
    schema = json_schema()
    for model in (BrokerFile, ClientEntry, ConnectorEntry, ScopeEntry):
        described = schema if model is BrokerFile else schema["$defs"][model.__name__]
        assert set(described["properties"]) == set(model.model_fields)
        for key, part in described["properties"].items():
            assert part.get("description"), f"{model.__name__}.{key}"
    branches = {
        b["if"]["properties"]["type"]["const"]: b["then"] for b in schema["$defs"]["ConnectorEntry"]["allOf"]
    }
    assert set(branches) == set(installed())
    for name, branch in branches.items():
        for key in load_module(name).Settings.model_fields:
            assert branch["properties"][key].get("description"), f"{name}.{key}"


def test_every_reference_leads_somewhere_and_nothing_is_said_by_pythons_names() -> None:
    schema = json_schema()
    text = json.dumps(schema)
    assert json.loads(text) == schema
    for part in parts(schema):
        if isinstance(part.get("$ref"), str):
            assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        assert "\n" not in str(part.get("description", ""))


def test_defaults_are_written_as_an_operator_would(tmp_path: Path) -> None:
    properties = json_schema()["$defs"]["Lifetimes"]["properties"]
    assert properties["login"]["default"] == "10m"
    assert properties["code"]["default"] == "60s"
    assert properties["consent"]["default"] == "365d"
    assert json_schema()["$defs"]["ClientEntry"]["properties"]["scope"]["default"] == "openid profile email"


def keys(value: Any, schema: dict[str, Any], definitions: dict[str, Any], path: str = "") -> Iterator[str]:
    """Keys of an example that the schema does not know."""
    options = [schema, *schema.get("anyOf", ())]
    objects = [definitions[o["$ref"].removeprefix("#/$defs/")] if "$ref" in o else o for o in options]
    known: dict[str, Any] = {}
    for part in objects:
        known |= part.get("properties", {})
        for branch in part.get("allOf", ()):
            known |= branch["then"]["properties"] | part["properties"]
    open_to = [o.get("additionalProperties") for o in objects]
    open_to += [below for o in objects for below in o.get("patternProperties", {}).values()]
    every = next((below for below in open_to if isinstance(below, dict)), None)
    for key, below in value.items() if isinstance(value, dict) else ():
        if key not in known and every is None:
            yield f"{path}.{key}"
        else:
            yield from keys(below, known.get(key, every), definitions, f"{path}.{key}")


@pytest.mark.parametrize("file", ["config/broker.yaml"])
def test_the_example_fits_its_description(file: str) -> None:
    schema = json_schema()
    example = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    assert list(keys(example, schema, schema["$defs"])) == []
    assert set(example) == set(BrokerFile.model_fields)


def test_an_editor_asks_an_app_for_redirects_and_an_api_for_its_name() -> None:
    entry = json_schema()["$defs"]["ClientEntry"]
    assert entry["required"] == ["client_name"]
    assert entry["if"]["properties"]["grant_types"] == {"maxItems": 0}
    assert set(entry["then"]["required"]) == {"audience"}
    redeems_codes = entry["else"]["if"]["anyOf"]
    assert {"not": {"required": ["grant_types"]}} in redeems_codes
    assert {"properties": {"grant_types": {"contains": {"const": "authorization_code"}}}} in redeems_codes
    assert entry["else"]["then"]["required"] == ["redirect_uris"]


def test_the_reference_page_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == markdown(), "write it anew: broker schema --markdown > docs/configuration.md"
