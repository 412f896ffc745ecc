"""Where the broker's time goes: it is served under cProfile in its own process, and the dump is read here.

The profiler slows Python functions more than C ones, so shares are a guide, not a measurement.
"""

from __future__ import annotations

import io
import pstats
from pathlib import Path

from tests.bench.stage import Stage

TOP = 45


def run(stage: Stage, logins: int, in_flight: int) -> str:
    dump = stage.folder / "broker.prof"
    stub = stage.stub()
    served = stage.broker(stub, stage.valkey(), profile=dump)
    told = stage.driver(broker=served.url, stub=stub).run(in_flight, logins=logins)
    stage.end(served.process)
    return report(dump, told["done"])


def report(dump: Path, logins: int) -> str:
    out = io.StringIO()
    stats = pstats.Stats(str(dump), stream=out)
    out.write(f"{logins} logins under cProfile; by own time, then by all time\n")
    stats.strip_dirs().sort_stats("tottime").print_stats(TOP)
    stats.sort_stats("cumulative").print_stats(TOP)
    return out.getvalue()
