"""The configuration described: a JSON Schema for editors, and a reference page for people.

Owns both, made of the same models that read the file, so neither can say what does not hold. JSON Schema
2020-12; a connector's further keys depend on its ``type``, one branch for each that is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from broker.config.connectors import installed, load_module
from broker.config.workspaces import HOSTS_OWN
from broker.config.written import BrokerFile
from broker.mapping import WORDS, map_file_schema, map_schema

Json = dict[str, Any]

_GENERIC = "oidc"
"""The type whose keys most others have too."""
_DURATION = "[smhd]$"  # how the pattern of a duration ends

_VARIABLES = (
    "Text may hold ${NAME}, which must exist in the environment, or ${NAME:-default}. A secret may be "
    "file:PATH. Relative paths are relative to the file that names them."
)


def json_schema() -> Json:
    """The whole file, with the settings of every installed connector."""
    schema = BrokerFile.model_json_schema(by_alias=True)
    definitions: Json = schema["$defs"]
    branches = []
    for name in installed():
        try:
            settings = load_module(name).Settings
        except ValueError:
            continue  # `broker check` tells whoever uses it
        own = settings.model_json_schema(ref_template="#/$defs/" + name + ".{model}")
        definitions.update({f"{name}.{key}": value for key, value in own.pop("$defs", {}).items()})
        branches.append(_branch(name, definitions["ConnectorEntry"], own))
    entry = definitions["ConnectorEntry"]
    entry["properties"]["type"]["examples"] = list(installed())
    # A type of one's own has keys that nobody else knows; for the others the branches say which there are.
    entry["additionalProperties"] = True
    entry["allOf"] = branches
    # The map itself; `broker.mapping` owns its words and says more when it is loaded.
    definitions["ConnectorEntry"]["properties"]["claims"]["anyOf"][1:] = [map_file_schema(), map_schema()]
    properties: Json = schema["properties"]
    properties["workspaces"]["additionalProperties"] = _workspace(properties)
    told: Json = _spoken(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$comment": _VARIABLES}
    )
    return told


def _workspace(properties: Json) -> Json:
    """A workspace: the path of a file, or the keys that are not the host's alone."""
    own: Json = {key: part for key, part in properties.items() if key not in HOSTS_OWN}
    keys: Json = {"type": "object", "properties": own, "additionalProperties": False}
    return {"anyOf": [{"type": "string", "minLength": 1}, keys]}


def _branch(name: str, entry: Json, own: Json) -> Json:
    common: Json = {key: {} for key in entry["properties"]}
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {
            "description": own.get("description", ""),
            "properties": {**common, **own.get("properties", {})},
            "required": own.get("required", []),
            "additionalProperties": False,
        },
    }


def _spoken(schema: Any) -> Any:
    """Docstrings as running text, and no titles that only repeat the name of a key."""
    if isinstance(schema, list):
        return [_spoken(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            told[key] = " ".join(value.split())
        elif key == "default":
            told |= _written_default(schema, value)
        elif key != "title" or not isinstance(value, str):
            told[key] = _spoken(value)
    return told


def _written_default(schema: Json, value: Any) -> Json:
    """A default as an operator would write it; what the keys below say by themselves is left out."""
    if value is None or isinstance(value, dict):
        return {}
    if isinstance(value, int) and schema.get("pattern", "").endswith(_DURATION):
        return {"default": _duration(value)}
    if isinstance(value, (list, tuple)) and schema.get("type") == "string":
        return {"default": " ".join(value)}
    return {"default": value}


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds > length and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


# ── For people ────────────────────────────────────────────────────────────────────────────────

_HEAD = """\
# Configuration reference

This page is made by `broker schema --markdown` from the same source as `broker schema`, which lets an
editor complete and explain each key, and as `broker check FILE`, which tells every mistake at once.

- Durations are `30s`, `5m`, `12h`, `14d`.
- `${NAME}` must exist in the environment; `${NAME:-default}` may not. `$${` is a plain `${`.
- A secret may be `file:PATH`: the file's text without its last newline.
- Relative paths are relative to the file that names them.
- YAML is read strictly: no repeated keys, tags, anchors or merge keys; `true` and `false` are the only
  switches, and `no`, `012` or `22:22` are the text they look like.
"""


def markdown() -> str:
    """The reference page."""
    schema = json_schema()
    definitions: Json = schema["$defs"]
    lines = [_HEAD]
    _section(lines, "The file", schema, definitions)
    kinds = {
        branch["if"]["properties"]["type"]["const"]: branch["then"]
        for branch in definitions["ConnectorEntry"]["allOf"]
    }
    for name in kinds:
        _kind_of_connector(lines, name, kinds, definitions)
    lines.append("## Claims maps\n\nA map has `claims`, and `examples` that every start runs.")
    lines.append("[mapping.md](mapping.md) shows both. Each claim has these words:\n")
    lines += ["| word | meaning |", "|---|---|", *(f"| `{word}` | {text} |" for word, text in WORDS.items())]
    return "\n".join(lines) + "\n"


def _kind_of_connector(lines: list[str], name: str, kinds: Mapping[str, Json], definitions: Json) -> None:
    """A type's own keys; those that are just as the generic type has them are only named."""
    then, common = kinds[name], definitions["ConnectorEntry"]["properties"]
    own = {key: part for key, part in then["properties"].items() if key not in common}
    generic = kinds.get(_GENERIC, {}).get("properties", {}) if name != _GENERIC else {}
    same = [key for key, part in own.items() if generic.get(key) == part]
    lines.append(f"### Connectors of type `{name}`\n\n{then['description']}\n")
    told = {key: part for key, part in own.items() if key not in same}
    _table(lines, told, then["required"], definitions)
    if same:
        listed = ", ".join(f"`{key}`" for key in same)
        lines.append(f"And as [`{_GENERIC}`](#connectors-of-type-{_GENERIC}) has them: {listed}.\n")
    for key, part in told.items():
        below, pattern = _below(part, definitions)
        if below is not None and "properties" in below:
            _section(lines, f"`{key}{pattern}` of `{name}`", below, definitions, 4)


def _section(lines: list[str], title: str, schema: Json, definitions: Json, level: int = 2) -> None:
    lines.append(f"{'#' * level} {title}\n\n{schema.get('description', '')}\n")
    _table(lines, schema["properties"], schema.get("required", []), definitions)
    for key, part in schema["properties"].items():
        below, pattern = _below(part, definitions)
        if below is not None and below["properties"].keys() != {"fixed"}:
            name = title.strip("`")
            path = f"{key}{pattern}" if title == "The file" else f"{name}.{key}{pattern}"
            _section(lines, f"`{path}`", below, definitions, 2 if title == "The file" else 3)


def _table(lines: list[str], properties: Mapping[str, Any], required: list[str], definitions: Json) -> None:
    lines += ["| key | value | default | |", "|---|---|---|---|"]
    for key, part in properties.items():
        default = "**required**" if key in required else _default(part)
        text = part.get("description", "").replace("|", "\\|")
        lines.append(f"| `{key}` | {_kind(part, definitions)} | {default} | {text} |")
    lines.append("")


def _below(part: Json, definitions: Json) -> tuple[Json | None, str]:
    """The section that a key opens, and what stands between its name and the section's keys."""
    for option in _options(part):
        if "$ref" in option:
            return definitions[option["$ref"].removeprefix("#/$defs/")], ""
        entry = option.get("additionalProperties")
        if isinstance(entry, dict) and "$ref" in entry:
            return definitions[entry["$ref"].removeprefix("#/$defs/")], ".NAME"
    return None, ""


def _options(part: Json) -> Iterator[Json]:
    yield part
    for option in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        yield from _options(option)


def _kind(part: Json, definitions: Json) -> str:
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    options = part.get("anyOf") or part.get("oneOf")
    if options:
        return " or ".join(_kind(one, definitions) for one in options if one.get("type") != "null")
    if "$ref" in part:
        return "keys" if "properties" in definitions[part["$ref"].removeprefix("#/$defs/")] else "text"
    if part.get("type") == "array":
        return f"list of {_kind(part.get('items', {}), definitions)}"
    if part.get("pattern", "").endswith(_DURATION):
        return "duration"
    names = {"string": "text", "boolean": "`true`, `false`", "object": "keys", "integer": "number"}
    return names.get(str(part.get("type")), str(part.get("type", "anything")))


def _default(part: Json) -> str:
    value = part.get("default")
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return ", ".join(f"`{one}`" for one in value) if isinstance(value, list) else f"`{value}`"
