"""What a claims map costs: as data, with expressions, and told to somebody who asks why.

Pure functions in one process, so there is nothing to start. Each figure is the best of many rounds; the
ratios are what to watch, since they do not drift with the machine.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import yaml

from broker.mapping import Documents, apply, compile_map, trace
from broker.mapping.expressions import _compiled
from tests.bench.stage import ROOT

GROUPS = [f"group-{number}" for number in range(20)]
SAID = {
    "name": "Jane Doe",
    "given_name": "Jane",
    "family_name": "Doe",
    "preferred_username": "jane",
    "email": "jane@acme.example",
    "email_verified": True,
    "groups": GROUPS,
    "locale": "de",
    "updated_at": 1616499254,
}
DOCUMENTS = Documents(id_token=SAID, userinfo=dict(SAID))
KEPT = {"from": "groups", "cast": "list", "keep": "group-1.*"}
FILTERED = {"expression": 'upstream.id_token.groups.filter(g, g.startsWith("group-1"))'}
SHORT = {"expression": 'upstream.id_token.email.split("@")[1]'}


def microseconds(what: Callable[[], object], *, number: int = 100) -> float:
    """The best of some rounds."""
    return min(timeit.repeat(what, number=number, repeat=60)) / number * 1e6


def measure() -> dict[str, Any]:
    """The figures, in microseconds."""
    default = yaml.safe_load((ROOT / "connectors/claims/oidc.yaml").read_text())
    whole = compile_map(default)
    rules = {
        "one text": compile_map({"x": {"from": "email"}}),
        "one text, in CEL": compile_map({"x": SHORT}),
        "20 groups filtered": compile_map({"x": KEPT}),
        "20 groups filtered, in CEL": compile_map({"x": FILTERED}),
    }
    told: dict[str, Any] = {"claims": len(whole.claims)}
    told["default map"] = microseconds(lambda: apply(whole, DOCUMENTS))
    for name, claims_map in rules.items():
        told[name] = microseconds(lambda claims_map=claims_map: apply(claims_map, DOCUMENTS))
    told["explained"] = microseconds(lambda: list(trace(whole, DOCUMENTS)), number=50)
    text = FILTERED["expression"]
    _compiled(text)  # the library itself is loaded by now
    made = iter(range(1_000_000))
    told["an expression compiled"] = microseconds(lambda: _compiled(f"{text} // {next(made)}"), number=20)
    return told


def table(told: dict[str, Any]) -> str:
    """The same in words."""
    lines = ["CPU µs of claims mapping, once in a login", ""]
    lines += [f"{name:30}{value:8.1f}" for name, value in told.items() if name != "claims"]
    lines[2] = f"{'default map, ' + str(told['claims']) + ' claims':30}{told['default map']:8.1f}"
    lines.append("")
    lines.append(f"CEL / data, one text          {told['one text, in CEL'] / told['one text']:.1f}")
    groups = told["20 groups filtered, in CEL"] / told["20 groups filtered"]
    lines.append(f"CEL / data, 20 groups         {groups:.1f}")
    return "\n".join(lines)
