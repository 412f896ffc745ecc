"""`broker demo`: a whole login on this machine, with everybody in it. What happens is in broker/demo."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from broker.demo.folder import DemoError, Folder, Ports
from broker.demo.launcher import run as run_demo


def register(subparsers: Any) -> None:
    """Add the command to ``broker``."""
    parser = subparsers.add_parser(
        "demo",
        help="run a whole login on this machine: store, identity provider, broker, two apps and an API",
        description="Start an embedded store, a demo identity provider, the broker, and two demo apps with an "
        "API. Prints the one address to open. Ctrl-C stops everything.",
    )
    parser.add_argument("--port", type=_port, help="the port of the apps; the two after it are used too")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="keep keys, consents and logs in this folder"
    )
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65533:  # noqa: PLR2004 — two more follow
        raise ValueError(text)
    return port


def run(args: argparse.Namespace) -> int:
    """Run the demo until somebody stops it: 0 when it was asked to stop, 1 when it could not go on."""
    folder = Folder(args.state.absolute()) if args.state else Folder.usual()
    try:
        with folder.ours():
            ports = Ports.choose(args.port)
            folder.furnish(ports)
            asyncio.run(run_demo(folder, ports))
    except DemoError as error:
        print(f"broker demo: {error}", file=sys.stderr)
        return 1
    return 0
