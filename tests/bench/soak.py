"""A minute at full speed, refreshes included, and what is left of it: memory, sockets, tasks, keys."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.bench.stage import Served, Stage, megabytes

SLICES = 12
PLAN = {"scope": "openid profile email offline_access", "refresh": True}
MEMORY_SLOPE = 0.10
"""How much of its size the process may still grow in the second half."""


def look(served: Served, store: Path) -> dict[str, Any]:
    """What could pile up."""
    processes = [psutil.Process(pid) for pid in served.pids]
    with redis.Redis(unix_socket_path=str(store)) as client:
        keys = list(client.scan_iter(count=1000))
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.ttl(key)
        endless = sorted(key.decode() for key, ttl in zip(keys, pipe.execute(), strict=True) if ttl == -1)
        store_clients = int(client.info("clients")["connected_clients"])
    return {
        "megabytes": sum(megabytes(process.pid) for process in processes),
        "sockets": sum(process.num_fds() for process in processes),
        "threads": sum(process.num_threads() for process in processes),
        "store_clients": store_clients,
        "keys": len(keys),
        "keys_without_ttl": endless,
    }


def run(stage: Stage, *, seconds: float, in_flight: int) -> dict[str, Any]:
    """Load in slices, with a look after each: what counts is the growth in the second half."""
    stub, store = stage.stub(), stage.valkey()
    served = stage.broker(stub, store)
    driver = stage.driver(broker=served.url, stub=stub, **PLAN)
    driver.run(in_flight, logins=500)
    looks, runs = [look(served, store)], []
    for _ in range(SLICES):
        runs.append(driver.run(in_flight, seconds=seconds / SLICES))
        looks.append(look(served, store))
    stage.end(served.process)
    tasks = tasks_left(stage, stub, in_flight)
    piled = [f"tasks: {tasks[0]} → {tasks[1]}"] if tasks[1] > tasks[0] + in_flight else []
    return {
        "seconds": seconds,
        "done": sum(run["done"] for run in runs),
        "lost": sum(run["lost"] for run in runs),
        "why": {reason: count for run in runs for reason, count in run["why"].items()},
        "looks": looks,
        "tasks": tasks,
        "growth": [*growth(looks, in_flight), *piled],
    }


def tasks_left(stage: Stage, stub: str, in_flight: int) -> tuple[int, int]:
    """Tasks of the event loop after some logins, and after many more, with nobody under way.

    Nobody sees those from outside, so this is the application in a process that tells.
    """
    served = stage.broker(stub, stage.valkey(), profile=stage.folder / "unused.json")
    driver = stage.driver(broker=served.url, stub=stub, **PLAN)
    told = []
    for logins in (500, 1000):
        driver.run(in_flight, logins=logins)
        told.append(tasks_now(served))
    return told[0], told[1]


def tasks_now(served: Served) -> int:
    def lines() -> list[str]:
        return [line for line in served.log.read_text().splitlines() if line.startswith("tasks ")]

    before = len(lines())
    served.process.send_signal(signal.SIGUSR2)
    while len(told := lines()) == before and served.process.poll() is None:
        time.sleep(0.05)
    return int(told[-1].split()[1])


def growth(looks: list[dict[str, Any]], in_flight: int) -> list[str]:
    """What grew that must not.

    A login under way may have a connection, a thread, a task; how many there are at once is luck.
    What logins left behind would be hundreds more.
    """
    found = []
    first, middle, last = looks[0], looks[len(looks) // 2], looks[-1]
    if last["megabytes"] > middle["megabytes"] * (1 + MEMORY_SLOPE):
        found.append(f"memory: {middle['megabytes']:.1f} → {last['megabytes']:.1f} MB in the second half")
    found += [
        f"{name}: {first[name]} → {middle[name]} → {last[name]}"
        for name in ("sockets", "threads", "store_clients")
        if last[name] > middle[name] + in_flight
    ]
    fresh = set(last["keys_without_ttl"]) - set(first["keys_without_ttl"])
    if fresh:
        found.append(f"keys without a TTL: {sorted(fresh)[:5]}")
    return found


def table(told: dict[str, Any]) -> str:
    lines = [f"{told['done']} logins in {told['seconds']:.0f} s, {told['lost']} lost", ""]
    lines.append(f"{'':10}{'MB':>8}{'sockets':>9}{'threads':>9}{'store':>7}{'keys':>9}{'no TTL':>8}")
    for index, seen in enumerate(told["looks"]):
        lines.append(
            f"{index:<10}{seen['megabytes']:8.1f}{seen['sockets']:9d}{seen['threads']:9d}{seen['store_clients']:7d}"
            f"{seen['keys']:9d}{len(seen['keys_without_ttl']):8d}"
        )
    lines += ["", f"tasks {told['tasks'][0]} → {told['tasks'][1]}"]
    lines += [*(told["growth"] or ["nothing grows"]), *(f"lost: {reason}" for reason in told["why"])]
    return "\n".join(lines)
