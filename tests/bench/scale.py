"""What many connectors cost: a start, memory and a login, with one, a hundred and ten thousand of them.

The same number of client apps stands beside them, each of which allows two connectors. The app of the
measurement allows all; its people are found by their e-mail domain, so that a login takes the longest way.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from tests.bench.stage import Driver, Served, Stage, cpu_seconds

COUNTS = (1, 100, 10_000)
DOMAIN = "stub.example"
WARM_UP = 200


def write_more(config: Path, count: int) -> None:
    """So many connectors and client apps, the measured ones in the middle of them."""
    text = config.read_text()
    others = [n for n in range(count) if n != count // 2]
    connectors = [
        f"  c{n}:\n    type: oidc\n    name: Company {n}\n    issuer: https://c{n}.example\n"
        f"    client_id: broker\n    client_secret: the-secret-at-company-{n}\n"
        f"    domains: [c{n}.example, '*.c{n}.example']\n"
        for n in others
    ]
    clients = [
        f"  app{n}:\n    client_name: App {n}\n    client_secret: the-secret-of-app-{n}-which-is-long\n"
        f"    redirect_uris: [https://app{n}.example/callback]\n    connectors: [stub, c{n}]\n"
        for n in others
    ]
    half = len(others) // 2
    text = text.replace("    name: Stub\n", f"    name: Stub\n    domains: [{DOMAIN}]\n")
    text = text.replace("connectors:\n", "connectors:\n" + "".join(connectors[:half]), 1)
    text = text.replace("clients:\n", "".join(connectors[half:]) + "clients:\n" + "".join(clients[:half]), 1)
    config.write_text(text.replace("outbound:\n", "".join(clients[half:]) + "outbound:\n", 1))


class Many:
    """The broker with so many connectors, and its windows."""

    def __init__(self, stage: Stage, stub: str, count: int) -> None:
        self.count = count
        self.served: Served = stage.broker(stub, stage.valkey(), change=lambda path: write_more(path, count))
        self.driver: Driver = stage.driver(
            broker=self.served.url, stub=stub, more={"login_hint": f"ada@{DOMAIN}"}
        )
        self.idle = self.served.megabytes
        self.costs: list[float] = []
        self.lost = 0

    def window(self, in_flight: int, logins: int) -> None:
        before = cpu_seconds(self.served.pids)
        run = self.driver.run(in_flight, logins=logins)
        self.costs.append((cpu_seconds(self.served.pids) - before) / max(1, run["done"]) * 1e6)
        self.lost += run["lost"]

    def told(self) -> dict[str, Any]:
        return {
            "started_in_ms": self.served.started_in * 1000,
            "start_cpu_ms": self.served.start_cpu * 1000,
            "megabytes_idle": self.idle,
            "megabytes": self.served.megabytes,
            "windows": self.costs,
            "us": min(self.costs),
            "lost": self.lost,
        }


def run(stage: Stage, *, windows: int, logins: int, in_flight: int) -> dict[str, Any]:
    """Windows by turns: what else the machine does then strikes all alike."""
    stub = stage.stub()
    subjects = [Many(stage, stub, count) for count in COUNTS]
    for subject in subjects:
        subject.driver.run(in_flight, logins=WARM_UP)
    for _ in range(windows):
        for subject in subjects:
            subject.window(in_flight, logins)
    return {str(subject.count): subject.told() for subject in subjects}


def table(told: dict[str, Any]) -> str:
    lines = [
        "connectors and apps    start ms (CPU)    MB idle   MB after   CPU µs per login   of one connector"
    ]
    one = told[str(COUNTS[0])]["windows"]
    for count, row in told.items():
        ratio = statistics.median(many / few for many, few in zip(row["windows"], one, strict=True))
        start = f"{row['started_in_ms']:.0f} ({row['start_cpu_ms']:.0f})"
        lines.append(
            f"{count:>19}{start:>18}{row['megabytes_idle']:11.0f}{row['megabytes']:11.0f}"
            f"{row['us']:19.0f}{ratio:19.2f}"
        )
    return "\n".join(lines)
