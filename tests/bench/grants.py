"""What one token costs, by grant: as a bearer token, bound to a DPoP key, and bound to a certificate.

    python -m tests.bench grants

CPU microseconds of the broker's process for one request, by turns, the best window of each. A certificate
comes as a proxy passes it on: the handshake that shows it is once for a connection, and the proxy's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

from tests.bench.granted import DOES, HOW, SECRET
from tests.bench.stage import REDIRECT_URI, Served, Stage, cpu_seconds

SCOPE = "reports.read"


def change(config: Path) -> None:
    """One client app for each way, beside the one that is there; and machines that ask for themselves."""
    whole = config.read_text()
    entry = f"""\
    client_name: Bench
    client_secret: {SECRET}
    redirect_uris: [{REDIRECT_URI}]
    grant_types: [authorization_code, refresh_token, client_credentials]
    scope: openid profile email offline_access {SCOPE}
    trusted: true
    id_token_signed_response_alg: ES256
    access_token_signing_alg: ES256
"""
    bound = {
        "bearer": "",
        "dpop": "    dpop_bound_access_tokens: true\n",
        "mtls": "    tls_client_certificate_bound_access_tokens: true\n",
    }
    apps = "".join(f"  bench-{how}:\n{entry}{bound[how]}" for how in HOW)
    more = f"""\
trusted_proxies: {{ networks: [127.0.0.1/32], client_certificate_header: Client-Cert }}
lifetimes: {{ code: 10m }}
scopes:
  {SCOPE}: {{ description: Read reports }}
"""
    config.write_text(whole.replace("outbound:\n", f"{apps}outbound:\n", 1) + more)


class Asker:
    """The driver's other end."""

    def __init__(self, stage: Stage, broker: str, stub: str) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = stage.python("tests.bench.granted", broker, stub, name="granted", **pipes)

    def window(self, served: Served, **asked: Any) -> tuple[float, dict[str, Any]]:
        """CPU seconds of the broker while it ran, and how it went."""
        self._say(json.dumps(asked))
        self._heard()
        before = cpu_seconds(served.pids)
        self._say("")
        told = self._heard()
        return cpu_seconds(served.pids) - before, dict(told)

    def _say(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the driver has no input")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _heard(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the driver ended with {self._process.poll()}")
        return json.loads(line)


def run(stage: Stage, *, windows: int, count: int, in_flight: int) -> dict[str, dict[str, Any]]:
    """The cost of each, by what is asked and how it is bound."""
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey(), change=change)
    asker = Asker(stage, served.url, stub)
    told: dict[str, dict[str, Any]] = {}
    for round_ in range(windows + 1):  # the first is to warm up
        for what in DOES:
            for how in HOW:
                number = count if round_ else in_flight * 4
                used, went = asker.window(served, what=what, how=how, count=number, in_flight=in_flight)
                row = told.setdefault(what, {}).setdefault(how, {"us": [], "lost": 0, "why": {}})
                row["lost"] += went["lost"]
                row["why"] |= went["why"]
                if round_:
                    row["us"].append(used / max(1, went["done"]) * 1e6)
    return told


def table(told: dict[str, dict[str, Any]]) -> str:
    """As text, minimum and median."""
    lines = ["CPU µs of the broker for one request, minimum and median of the windows", ""]
    lines.append(f"{'':22}" + "".join(f"{how:>16}" for how in HOW))
    for what, ways in told.items():
        cells = (f"{min(ways[how]['us']):7.0f} {statistics.median(ways[how]['us']):7.0f}" for how in HOW)
        lines.append(f"{what:22}" + "".join(f"{cell:>16}" for cell in cells))
    reasons = {
        reason: n for ways in told.values() for row in ways.values() for reason, n in row["why"].items()
    }
    lines += [f"    {count} × {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)


def lost(told: dict[str, dict[str, Any]]) -> int:
    """How many were not answered as they should have been."""
    return sum(row["lost"] for ways in told.values() for row in ways.values())
