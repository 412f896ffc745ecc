"""Claims mapping: what an upstream says of a person → what our tokens say, as data.

Owns the language of a claims map (its words, its paths, its casts) and applies it. Pure: no network, no
clock, no store, and no expression is ever evaluated; what an upstream sends is data and stays data.

    paths.py      where a path looks
    values.py     what a value must look like
    patterns.py   which regular expressions ``keep`` takes
    compiler.py   from YAML to rules, with every problem at once
    rules.py      applying them
    schema.py     the same words for editors

Which scope releases which claim is not said here but under ``scopes`` in broker.yaml.
"""

from broker.mapping.compiler import PROTOCOL_CLAIMS, WORDS, MapErrors, compile_map
from broker.mapping.paths import Documents
from broker.mapping.rules import ClaimsMap, Mapped, MappingRefused, apply
from broker.mapping.schema import map_schema
from broker.mapping.values import CASTS

__all__ = [
    "CASTS",
    "PROTOCOL_CLAIMS",
    "WORDS",
    "ClaimsMap",
    "Documents",
    "MapErrors",
    "Mapped",
    "MappingRefused",
    "apply",
    "compile_map",
    "map_schema",
]
