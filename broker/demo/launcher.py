"""Starts everybody, waits until each answers, and leaves no process behind.

Owns the processes of the demo. Each child runs in a session of its own, so that Ctrl-C reaches the launcher
alone and everybody is asked to stop in the same way; and each is told by the kernel when the launcher is
gone, however it went (prctl(2), PR_SET_PDEATHSIG), which `broker/store/launch.py` arranges between fork and
exec.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import broker
from broker.demo.folder import LOOPBACK, DemoError, Folder, Ports, url

_WRAPPER = Path(broker.__file__).parent / "store" / "launch.py"
_PATIENCE = 60.0
"""Seconds until everybody must answer; a loaded machine takes a dozen."""
# The broker waits for browsers that keep their connections; asked a second time, it does not.
_GOODBYES = ((signal.SIGTERM, 1.0), (signal.SIGTERM, 6.0), (signal.SIGKILL, None))
_LAST_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One process of the demo."""

    name: str
    """As people read it."""
    key: str
    command: Sequence[str]
    port: int
    ready: str
    """The path that answers 200 once it can serve."""


def parties(folder: Folder, ports: Ports) -> list[Party]:
    """Who takes part. Nobody waits for anybody: the broker reads its upstream's documents at need."""
    # -P: a folder that happens to be called broker, where the operator stands, is not ours.
    python = [sys.executable, "-P", "-m"]
    issuer, provider = url(ports.broker), url(ports.provider)
    return [
        Party(
            name="broker",
            key="broker",
            command=[*python, "broker", "serve", "--config", str(folder.config)],
            port=ports.broker,
            ready="/readyz",
        ),
        Party(
            name="demo identity provider",
            key="provider",
            command=[
                *python, "broker.demo.provider", f"--port={ports.provider}",
                f"--client-secret-file={folder.secrets / 'upstream'}", f"--key-file={folder.provider_key}",
                f"--redirect-uri={issuer}/callback/demo",
            ],
            port=ports.provider,
            ready="/healthz",
        ),
        Party(
            name="demo app",
            key="app",
            command=[
                *python, "broker.demo.app", f"--port={ports.app}", f"--issuer={issuer}",
                f"--provider={provider}", f"--secrets={folder.secrets}",
            ],
            port=ports.app,
            ready="/healthz",
        ),
    ]  # fmt: skip


class Running:
    """One party that was started."""

    def __init__(self, party: Party, process: asyncio.subprocess.Process, log: Path) -> None:
        self.party, self._process, self._log = party, process, log
        self.ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(cls, party: Party, log: Path) -> Running:
        """Start it; what it says goes into its log."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_WRAPPER), str(os.getpid()), *party.command,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        return cls(party, process, log)

    async def answers(self) -> None:
        """Returns once it serves."""
        while not await _is_ready(self.party):  # noqa: ASYNC110 — another process sets no event of ours
            await asyncio.sleep(0.02)

    def ask_to_stop(self, how: signal.Signals) -> None:
        """Send a signal to it and to whatever it started."""
        if self._process.returncode is not None and Path(f"/proc/{self._process.pid}").exists():
            return  # its number is somebody else's by now, so nobody is left of its group
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)

    def epitaph(self) -> str:
        """What there is to say about a party that ended by itself."""
        code = self._process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        lines = self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        said = "".join(f"    {line}\n" for line in lines) or "    (nothing)\n"
        return f"The {self.party.name} {how}. Its last words, from {self._log}:\n{said}"


async def _is_ready(party: Party) -> bool:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, party.port)
    except OSError:
        return False
    try:
        host = f"{LOOPBACK}:{party.port}"
        writer.write(f"GET {party.ready} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def run(folder: Folder, ports: Ports) -> None:
    """Run the demo until somebody stops it.

    Raises:
        DemoError: a party ended by itself, or did not get ready.
    """
    stopping = asyncio.Event()
    everybody: list[Running] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        for party in parties(folder, ports):
            everybody.append(await Running.start(party, folder.log(party.key)))  # noqa: PERF401 — see finally
        await _watch(everybody, stopping, folder, ports)
    finally:
        await _stop(everybody)


async def _watch(everybody: Sequence[Running], stopping: asyncio.Event, folder: Folder, ports: Ports) -> None:
    asked = asyncio.create_task(stopping.wait())
    ready = asyncio.create_task(_all_answer(everybody))
    stops: list[asyncio.Task[Any]] = [asked, *(one.ended for one in everybody)]
    try:
        await asyncio.wait([ready, *stops], timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            _welcome(folder, ports)
            await asyncio.wait(stops, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return
        for one in everybody:
            if one.ended.done():
                raise DemoError(one.epitaph())
        raise DemoError(f"not everybody was ready within {_PATIENCE:.0f} s; see {folder.path / 'logs'}")
    finally:
        asked.cancel()
        ready.cancel()
        with suppress(asyncio.CancelledError):
            await ready


async def _all_answer(everybody: Sequence[Running]) -> bool:
    await asyncio.gather(*(one.answers() for one in everybody))
    return True


async def _stop(everybody: Sequence[Running]) -> None:
    for how, patience in _GOODBYES:
        late = [one for one in everybody if not one.ended.done()]
        if not late:
            return
        for one in late:
            one.ask_to_stop(how)
        await asyncio.wait([one.ended for one in late], timeout=patience)


def _welcome(folder: Folder, ports: Ports) -> None:
    print(
        f"\n  The demo runs. Open this in your browser:\n\n      {url(ports.app)}/\n\n"
        f"  Configuration and logs are in {folder.path}\n  Ctrl-C stops everything.\n",
        flush=True,
    )
