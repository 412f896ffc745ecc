"""Claims mapping: what an upstream says of a person → what our tokens say, as data.

Owns the language of a claims map (its words, its paths, its casts, its expressions) and applies it. Pure: no
network, no clock, no store; what an upstream sends is data and stays data, and only what the operator wrote
is ever evaluated.

    facts.py         what is known beside the documents
    paths.py         where a path looks
    scanner.py       what an expression says, seen before it is compiled
    expressions.py   CEL, bounded, where data is not enough
    values.py        what a value must look like
    context.py       which claims there are, where the operator says so
    patterns.py      which regular expressions ``keep`` takes
    compiler.py      from YAML to rules, with every problem at once
    rules.py         applying them
    tracing.py       the same for somebody who asks why
    examples.py      what a map says of itself, held against it
    schema.py        the same words for editors

Which scope releases which claim is not said here but under ``scopes`` in broker.yaml.
"""

from broker.mapping.compiler import NAME as CLAIM_NAME
from broker.mapping.compiler import PROTOCOL_CLAIMS, WORDS, MapErrors, check_expressions, compile_map
from broker.mapping.context import FITS, KNOWN, Types
from broker.mapping.facts import upstream_facts
from broker.mapping.paths import Documents
from broker.mapping.rules import ClaimsMap, Mapped, MappingRefused, apply
from broker.mapping.schema import map_file_schema, map_schema
from broker.mapping.tracing import NOTHING, Traced, in_words, shape, trace, traced
from broker.mapping.values import CASTS

__all__ = [
    "CASTS",
    "CLAIM_NAME",
    "FITS",
    "KNOWN",
    "NOTHING",
    "PROTOCOL_CLAIMS",
    "WORDS",
    "ClaimsMap",
    "Documents",
    "MapErrors",
    "Mapped",
    "MappingRefused",
    "Traced",
    "Types",
    "apply",
    "check_expressions",
    "compile_map",
    "in_words",
    "map_file_schema",
    "map_schema",
    "shape",
    "trace",
    "traced",
    "upstream_facts",
]
