"""oidc-agent, which people at a shell get access tokens from: Debian's program, with a folder of its own.

Owns the agent and the commands that speak to it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.interop.processes import STARTS, Talking, running

_PASSWORD = {"PW": "nobody-else-opens-the-file-with-it"}


def missing() -> str | None:
    """Why this cannot run here, or None."""
    return None if shutil.which("oidc-agent") else "no oidc-agent (Debian's oidc-agent-cli)"


@dataclass(frozen=True)
class Agent:
    """An agent that runs."""

    environment: Mapping[str, str]

    @contextlib.asynccontextmanager
    async def generating(self, account: str, issuer: str, *options: str) -> AsyncIterator[Talking]:
        """``oidc-gen`` while it waits for the person; it says what she has to do."""
        command = [
            "oidc-gen",
            account,
            f"--iss={issuer}",
            "--pw-env=PW",
            "--prompt=none",
            "--confirm-default",
        ]
        async with self._running(*command, "--no-url-call", "--no-scheme", *options) as process:
            yield process

    async def token(self, account: str, *options: str) -> str:
        """What ``oidc-token`` prints."""
        return (await self._said("oidc-token", account, *options))[-1]

    async def delete(self, account: str) -> list[str]:
        """What ``oidc-gen`` says when it deletes the account, and with it what it got."""
        return await self._said("oidc-gen", "--delete", account, "--pw-env=PW", "--confirm-yes")

    async def _said(self, *command: str) -> list[str]:
        async with self._running(*command) as process:
            status = await process.process.wait()
        if status:
            raise RuntimeError(f"{command[0]} ended with {status}:\n" + "\n".join(process.lines))
        return process.lines

    def _running(self, *command: str) -> contextlib.AbstractAsyncContextManager[Talking]:
        return running(*command, env=self.environment)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Agent]:
    """An agent that keeps what it keeps in this folder."""
    socket, accounts = folder / "socket" / "agent", folder / "accounts"
    socket.parent.mkdir(mode=0o700)
    accounts.mkdir(mode=0o700)
    environment = {"OIDC_CONFIG_DIR": str(accounts), "OIDC_SOCK": str(socket), **_PASSWORD}
    # It says its socket before it listens there; what it notes when it begins to wait is the first sign.
    command = ("oidc-agent", "--console", "--debug", "--log-stderr", f"--socket-path={socket}")
    async with running(*command, env=environment) as process:
        await process.says("Getting min death time", within=STARTS)
        yield Agent(environment)
