"""The two programs that others wrote and that run on Node: an identity provider and a client app.

Owns how they are started and spoken to; `provider.mjs` and `client.mjs` are the programs themselves.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.interop import broker
from tests.interop.processes import STARTS, Talking, running

HERE = Path(__file__).parent
OLDEST = (22, 15)
"""The oldest Node with what these packages need."""


@cache
def node() -> Path | None:
    """A Node that is new enough: the machine's own, else the one that was installed beside the packages."""
    own = shutil.which("node")
    brought = sorted((HERE / "runtime" / "node_modules").glob("node-linux-*/bin/node"))
    for found in ([Path(own)] if own else []) + brought:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        numbers = answer.stdout.strip().lstrip("v").split(".")
        if answer.returncode == 0 and tuple(map(int, numbers[:2])) >= OLDEST:
            return found
    return None


def missing() -> str | None:
    """Why nothing of this can run here, or None."""
    if node() is None:
        return f"no Node {'.'.join(map(str, OLDEST))} or newer"
    if not (HERE / "node_modules" / "openid-client").is_dir():
        return "the packages of tests/interop are not installed (make test does, or npm ci there)"
    return None


@contextlib.asynccontextmanager
async def program(name: str, *arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Talking]:
    """One of the programs of this folder, while the block lasts."""
    found = node()
    if found is None:
        raise RuntimeError(missing())
    async with running(found, "--no-warnings", HERE / name, *arguments, env=env, cwd=HERE) as started:
        yield started


# ── The identity provider ─────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def identity_provider(
    *, clients: Sequence[Mapping[str, Any]], people: Mapping[str, Mapping[str, Any]], **more: Any
) -> AsyncIterator[str]:
    """Panva's oidc-provider with these clients and people; yields its issuer."""
    asked = json.dumps({"clients": clients, "people": people, **more})
    async with program("provider.mjs", asked) as provider:
        line = await provider.says('{"issuer"', within=STARTS)
        yield json.loads(line)["issuer"]


# ── The client app ────────────────────────────────────────────────────────────────────────────


@dataclass
class ClientRefused(Exception):
    """What openid-client threw."""

    name: str
    message: str
    error: str | None = None
    code: str | None = None
    status: int | None = None
    cause: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.message} ({self.error or self.code or self.cause})"


class ClientApp:
    """openid-client, one deed after the other; the deeds are those of `client.mjs`."""

    def __init__(self, program: Talking) -> None:
        self._program = program
        self._answers = 0

    async def do(self, deed: str, **said: Any) -> Any:
        """Its answer to one deed.

        Raises:
            ClientRefused: openid-client did not accept what it got.
        """
        self._answers += 1
        asked = {"do": deed, "no": self._answers} | {k: v for k, v in said.items() if v is not None}
        await self._program.tell(json.dumps(asked))
        answer = json.loads(await self._program.says(f'{{"no":{self._answers},'))
        if "error" in answer:
            raise ClientRefused(**answer["error"])
        return answer["ok"]


@contextlib.asynccontextmanager
async def client_app(
    issuer: str,
    *,
    client_id: str,
    secret: str | None,
    method: str,
    redirect_uri: str,
    metadata: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[ClientApp]:
    """One that has read this issuer's metadata. ``more`` is what the deed `discover` takes beside."""
    async with program("client.mjs") as started:
        app = ClientApp(started)
        known = {"client_id": client_id, "secret": secret, "method": method, "redirect_uri": redirect_uri}
        await app.do("discover", issuer=issuer, metadata=metadata, **known, **more)
        yield app


def billing(issuer: str) -> contextlib.AbstractAsyncContextManager[ClientApp]:
    """The app of `tests.interop.broker.TRUSTED_APP`, at the broker."""
    return client_app(
        issuer,
        client_id="billing",
        secret=broker.APP_SECRET,
        method="client_secret_basic",
        redirect_uri=broker.APP,
    )
