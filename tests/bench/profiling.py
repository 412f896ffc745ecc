"""Where the broker's CPU goes, by function: sampled in its own process, in microseconds per login."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.bench.stage import Stage, cpu_seconds

TOP = 90


def run(stage: Stage, logins: int, in_flight: int) -> str:
    dump = stage.folder / "profile.json"
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey(), profile=dump)
    driver = stage.driver(broker=served.url, stub=stub)
    driver.run(in_flight, logins=300)
    served.process.send_signal(signal.SIGUSR1)
    before = cpu_seconds(served.pids)
    told = driver.run(in_flight, logins=logins)
    each = (cpu_seconds(served.pids) - before) / max(1, told["done"]) * 1e6
    stage.end(served.process)
    return report(dump, each, told)


def report(dump: Path, each: float, told: dict[str, Any]) -> str:
    counts = json.loads(dump.read_text())
    share = each / max(1, counts["samples"])
    lines = [f"{told['done']} logins, {told['lost']} lost, {each:.0f} µs each; {counts['samples']} samples"]
    titles = {
        "whole": "with everything it calls",
        "own": "by itself, C code included",
        "owner": "by the line of ours that was at work, libraries included",
    }
    for kind, title in titles.items():
        lines += ["", f"µs per login, {title}"]
        ranked = sorted(counts[kind].items(), key=lambda entry: -entry[1])[:TOP]
        lines += [f"{count * share:8.1f}  {name}" for name, count in ranked]
    return "\n".join(lines)
