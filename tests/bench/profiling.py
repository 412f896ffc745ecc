"""Where the broker's CPU goes, by function: sampled in its own process, in microseconds per login."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

from tests.bench.stage import Stage, cpu_seconds

TOP = 90


def run(stage: Stage, logins: int, in_flight: int) -> dict[str, Any]:
    """The samples, and what a login cost while they were taken."""
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
    return {**json.loads(dump.read_text()), "us": each, "done": told["done"], "lost": told["lost"]}


def report(counts: dict[str, Any]) -> str:
    each = counts["us"]
    share = each / max(1, counts["samples"])
    lines = [
        f"{counts['done']} logins, {counts['lost']} lost, {each:.0f} µs each; {counts['samples']} samples"
    ]
    titles = {
        "files": "by the file of ours that was at work",
        "whole": "with everything it calls",
        "own": "by itself, C code included",
        "owner": "by the line of ours that was at work, libraries included",
    }
    counts["files"] = Counter[str]()
    for place, count in counts["owner"].items():
        counts["files"][place.partition(":")[0]] += count
    for kind, title in titles.items():
        lines += ["", f"µs per login, {title}"]
        ranked = sorted(counts[kind].items(), key=lambda entry: -entry[1])[:TOP]
        lines += [f"{count * share:8.1f}  {name}" for name, count in ranked]
    return "\n".join(lines)
