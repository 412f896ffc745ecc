"""What one brokered login costs, measured in one run beside a naive build and the floor.

    python -m tests.bench                      the table, and JSON with --json FILE
    python -m tests.bench --profile            and where the broker's time goes
    python -m tests.bench grants               what one token costs, by grant and by what it is bound to
    python -m tests.bench scale                what one, a hundred and ten thousand connectors cost
    python -m tests.bench mapping              what a claims map costs, as data and in CEL
    python -m tests.bench soak --seconds 60    a minute at full speed, and what is left afterwards

CPU microseconds of the broker's process alone; the browsers, the upstream and the store are processes of
their own. On a busy machine the best window counts; all are shown as min, median and max.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import grants, mapping, profiling, scale, soak
from tests.bench.stage import ROOT, Driver, Served, Stage, cpu_seconds

WARM_UP = 300


@dataclass(slots=True)
class Subject:
    """A program under measurement, and its windows."""

    served: Served
    driver: Driver
    megabytes_idle: float
    costs: list[float] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, served: Served, stub: str) -> Subject:
        return cls(served, stage.driver(broker=served.url, stub=stub), served.megabytes)

    def warm_up(self, in_flight: int) -> None:
        self.runs.append(self.driver.run(in_flight, logins=max(WARM_UP, in_flight * 2)))

    def window(self, in_flight: int, logins: int) -> None:
        before = cpu_seconds(self.served.pids)
        run = self.driver.run(in_flight, logins=logins)
        self.costs.append((cpu_seconds(self.served.pids) - before) / max(1, run["done"]) * 1e6)
        self.runs.append(run)

    def told(self) -> dict[str, Any]:
        runs, last = self.runs, self.runs[-1]
        return {
            "us": {"min": min(self.costs), "median": statistics.median(self.costs), "max": max(self.costs)},
            "windows": self.costs,
            "lost": sum(run["lost"] for run in runs),
            "why": {reason: n for run in runs for reason, n in run["why"].items()},
            "logins_per_second": max(run["done"] / run["seconds"] for run in runs),
            "p50_ms": min(run["p50_ms"] for run in runs),
            "p99_ms": min(run["p99_ms"] for run in runs),
            "requests": last["requests"] / max(1, last["done"]),
            "bytes_in": last["sent"] / max(1, last["done"]),
            "bytes_out": last["received"] / max(1, last["done"]),
            "started_in_ms": self.served.started_in * 1000,
            "start_cpu_ms": self.served.start_cpu * 1000,
            "megabytes_idle": self.megabytes_idle,
            "megabytes": self.served.megabytes,
        }


def measure(stage: Stage, asked: argparse.Namespace) -> dict[str, Any]:
    """Windows of one and the other by turns: what else the machine does then strikes both alike."""
    stub, subjects = stage.stub(), dict[str, Subject]()
    if "broker" in asked.only:
        subjects["broker"] = Subject.of(stage, stage.broker(stub, stage.valkey()), stub)
    if "naive" in asked.only:
        subjects["naive"] = Subject.of(stage, stage.naive(stub, stage.valkey()), stub)
    for subject in subjects.values():
        subject.warm_up(asked.in_flight)
    for _ in range(asked.windows):
        for subject in subjects.values():
            subject.window(asked.in_flight, asked.logins)
    told = {name: subject.told() for name, subject in subjects.items()}
    if "floor" in asked.only:
        sizes = told.get("broker", {"bytes_in": 1100, "bytes_out": 2900, "requests": 3})
        told["floor"] = floor(
            int(sizes["bytes_in"] / sizes["requests"]), int(sizes["bytes_out"] / sizes["requests"])
        )
    return told


def floor(http_in: int, http_out: int) -> dict[str, Any]:
    asked = json.dumps({"logins": 2000, "http_in": http_in, "http_out": http_out})
    command = [sys.executable, "-m", "tests.bench.floor", asked]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout))


def table(told: dict[str, Any], asked: argparse.Namespace) -> str:
    lines = [
        f"CPU µs of one process per whole login, {asked.in_flight} in flight, {asked.windows} windows",
        "",
    ]
    lines.append(f"{'':22}{'min':>8}{'median':>8}{'max':>8}{'lost':>6}{'req':>6}{'p50 ms':>8}{'p99 ms':>8}")
    for name in ("broker", "naive"):
        if name in told:
            row = told[name]
            us = row["us"]
            lines.append(
                f"{name:22}{us['min']:8.0f}{us['median']:8.0f}{us['max']:8.0f}{row['lost']:6d}{row['requests']:6.1f}"
                f"{row['p50_ms']:8.1f}{row['p99_ms']:8.1f}"
            )
            lines += [f"    {count} × {reason}" for reason, count in row["why"].items()]
    if "floor" in told:
        crypto, sockets = told["floor"]["crypto"], told["floor"]["sockets"]
        lines.append(f"{'floor':22}{crypto + sockets:8.0f}        crypto {crypto:.0f}, sockets {sockets:.0f}")
    lines.append("")
    if "broker" in told:
        row = told["broker"]
        if "naive" in told:
            pairs = zip(told["naive"]["windows"], row["windows"], strict=True)
            ratio = statistics.median(naive / broker for naive, broker in pairs)
            lines.append(f"naive / broker         {ratio:.2f} (median of neighbouring windows)")
        if "floor" in told:
            whole = told["floor"]["crypto"] + told["floor"]["sockets"]
            lines.append(f"broker / floor         {row['us']['min'] / whole:.2f}")
        start = f"{row['started_in_ms']:.0f} ms, {row['start_cpu_ms']:.0f} ms of them CPU"
        lines.append(f"time to first answer   {start} (store already running)")
        lines.append(
            f"resident memory        {row['megabytes_idle']:.0f} MB, {row['megabytes']:.0f} MB after load"
        )
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="What one brokered login costs."
    )
    whats = ["login", "grants", "mapping", "scale", "soak"]
    parser.add_argument("what", nargs="?", choices=whats, default="login")
    parser.add_argument("--logins", type=int, default=1500, help="per window")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument(
        "--only", nargs="+", choices=["broker", "naive", "floor"], default=["broker", "naive", "floor"]
    )
    parser.add_argument("--profile", action="store_true", help="say where the broker's time goes")
    parser.add_argument("--seconds", type=float, default=60, help="how long to soak")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    if asked.what == "mapping":
        return _write(asked, (costs := mapping.measure()), mapping.table(costs), bad=False)
    with Stage() as stage:
        if asked.what == "soak":
            told = soak.run(stage, seconds=asked.seconds, in_flight=asked.in_flight)
            text, bad = soak.table(told), bool(told["growth"]) or told["lost"] > 0
        elif asked.what == "grants":
            told = grants.run(stage, windows=asked.windows, count=asked.logins, in_flight=asked.in_flight)
            text, bad = grants.table(told), grants.lost(told) > 0
        elif asked.what == "scale":
            told = scale.run(stage, windows=asked.windows, logins=asked.logins, in_flight=asked.in_flight)
            text, bad = scale.table(told), any(row["lost"] for row in told.values())
        elif asked.profile:
            told = profiling.run(stage, asked.logins, asked.in_flight)
            text, bad = profiling.report(told), told["lost"] > 0
        else:
            told = measure(stage, asked)
            text, bad = table(told, asked), any(row.get("lost") for row in told.values())
            told["grants"] = grants.run(stage, windows=3, count=600, in_flight=asked.in_flight)
            text += "\n\n" + grants.table(told["grants"])
            bad = bad or grants.lost(told["grants"]) > 0
            told["mapping"] = mapping.measure()
            text += "\n\n" + mapping.table(told["mapping"])
            told["scale"] = scale.run(stage, windows=3, logins=600, in_flight=asked.in_flight)
            text += "\n\n" + scale.table(told["scale"])
            bad = bad or any(row["lost"] for row in told["scale"].values())
    return _write(asked, told, text, bad=bad)


def _write(asked: argparse.Namespace, told: dict[str, Any], text: str, *, bad: bool) -> int:
    sys.stdout.write(text + "\n")
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
