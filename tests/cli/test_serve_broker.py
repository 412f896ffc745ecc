"""``broker serve`` as an operator runs it: the real broker, its own store, and the end of both."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import psutil
import pytest
import redis

from broker.store import start_embedded
from tests.certificates import made
from tests.cli.conftest import ROOT, Run
from tests.config.desk import SOUND
from tests.patience import PATIENCE
from tests.tls import Authority

LOCAL = SOUND.replace("https://login.acme.example", "http://127.0.0.1:8080") + "listen: 127.0.0.1:0\n"

Start = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Serves ``broker.yaml`` of this test's folder; the answer is the parent process and its address."""
    started: list[Process] = []

    async def begin(text: str = LOCAL, *more: str, **environ: str) -> tuple[Process, str]:
        (tmp_path / "broker.yaml").write_text(text)
        command = [sys.executable, "-m", "broker", "serve", "--config", "broker.yaml", *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environment, stdout=PIPE, stderr=PIPE
        )
        started.append(process)
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
        return process, json.loads(line)["detail"]

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def gone(processes: list[psutil.Process]) -> bool:
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, PATIENCE)
    return not alive


async def status(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url) as answer:
        return answer.status


@pytest.mark.row("CF-10")
@pytest.mark.row("CF-11")
async def test_two_workers_say_what_the_configuration_says(start: Start, run: Run) -> None:
    _, url = await start(LOCAL, "--workers", "2")
    expected = json.loads((await asyncio.to_thread(run, "metadata", "--config", "broker.yaml")).stdout)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(8):
            async with session.get(f"{url}/.well-known/openid-configuration") as answer:
                assert await answer.json() == expected
        key_sets = [await (await session.get(f"{url}/jwks")).json() for _ in range(8)]
    assert all(keys == key_sets[0] for keys in key_sets)


async def test_the_end_leaves_neither_workers_nor_store(start: Start) -> None:
    process, _ = await start(LOCAL, "--workers", "2")
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 3
    process.terminate()
    out, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (out, errors, process.returncode) == (b"", b"", 0)
    assert await gone(family)


async def test_a_parent_that_is_killed_leaves_neither(start: Start) -> None:
    process, _ = await start(LOCAL, "--workers", "2")
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    await process.wait()
    assert await gone(family)


async def test_a_second_broker_on_the_same_state_is_refused_in_one_line(start: Start, run: Run) -> None:
    await start()
    done = await asyncio.to_thread(run, "serve", "--config", "broker.yaml")
    assert (done.stdout, done.returncode, done.stderr.count("\n")) == ("", 1, 1)
    assert done.stderr.startswith("broker: ")
    assert "is in use by another broker" in done.stderr


async def test_a_store_that_dies_is_started_again_and_found_by_the_workers(start: Start) -> None:
    process, url = await start()
    (store,) = [p for p in psutil.Process(process.pid).children() if "python" not in p.name()]
    async with aiohttp.ClientSession() as session:
        assert await status(session, f"{url}/readyz") == 200
        os.kill(store.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(store.wait)
            while await status(session, f"{url}/readyz") != 200:  # noqa: ASYNC110  (nobody tells us)
                await asyncio.sleep(0.05)


@pytest.mark.row("CF-10")
async def test_https_is_served_with_the_operators_certificate(start: Start, tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    made = [*command.split(), *names]
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True, cwd=tmp_path)
    _, url = await start(LOCAL + "tls: {certificate: cert.pem, key: key.pem}\n")
    assert url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        assert await status(session, f"{url}/healthz") == 200
    # Who speaks something else at that port disturbs nobody.
    _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    writer.close()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        assert await status(session, f"{url}/healthz") == 200


@pytest.mark.standard("RFC 8705", "§2 client certificates where TLS ends here")
async def test_apps_that_show_a_certificate_have_a_door_of_their_own(start: Start, tmp_path: Path) -> None:
    authority, own = Authority(tmp_path), made("api")
    server = authority.pair("localhost")
    (tmp_path / "own.pem").write_text(own.pem + own.key_pem)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [own.jwk()]}))
    entry = """\
  api:
    client_name: API
    grant_types: []
    audience: https://api.acme.example
    token_endpoint_auth_method: self_signed_tls_client_auth
    jwks: jwks.json
"""
    tls = f"tls: {{certificate: {server.certificate}, key: {server.key}}}\nlisten_mtls: 127.0.0.1:0\n"
    process, url = await start(LOCAL.replace("listen: 127", f"{entry}listen: 127") + tls, "--workers", "2")
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
    mtls = json.loads(line)["detail"].replace("127.0.0.1", "localhost")
    trust, shows = authority.client(), authority.client()
    shows.load_cert_chain(tmp_path / "own.pem")
    form = {"token": "x", "client_id": "api"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        for _ in range(6):  # whichever worker it is
            async with session.post(f"{mtls}/introspect", data=form, ssl=shows) as answer:
                assert (answer.status, await answer.json()) == (200, {"active": False})
        async with session.post(f"{mtls}/introspect", data=form, ssl=trust) as answer:
            assert answer.status == 401
        async with session.post(f"{url}/introspect", data=form, ssl=shows) as answer:
            assert answer.status == 401  # nobody is asked for one there


async def test_listen_on_the_command_line_takes_the_files_place(start: Start, tmp_path: Path) -> None:
    process, where = await start(LOCAL, "--listen", "unix:http.sock")
    assert where == "unix:http.sock"
    connector = aiohttp.UnixConnector(str(tmp_path / "http.sock"))
    async with aiohttp.ClientSession(connector=connector) as session:
        assert await status(session, "http://127.0.0.1:8080/healthz") == 200
    process.terminate()
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    assert not (tmp_path / "http.sock").exists()


async def test_systemd_is_told_when_it_serves(start: Start, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        process, _ = await start(LOCAL, NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert systemd.recv(100) == b"READY=1"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        assert systemd.recv(100) == b"STOPPING=1"


async def test_a_store_that_is_away_at_the_start_is_one_line_of_the_log(start: Start) -> None:
    often = asyncio.Semaphore(0)

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        often.release()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        secret, port = "x" * 43, server.sockets[0].getsockname()[1]
        store = f"store: {{url: 'redis://127.0.0.1:{port}', encryption_keys: [{secret}]}}\n"
        process, told = await start(f"{LOCAL}{store}subject_key: {secret}\n")
        for _ in range(12):  # each try asks once or twice
            await asyncio.wait_for(often.acquire(), PATIENCE)
        process.terminate()
        _, rest = await asyncio.wait_for(process.communicate(), PATIENCE)
    for line in rest.splitlines():  # there are some where this process, which is that store, was held up
        before, told = told, json.loads(line)["detail"]
        assert told != before


@pytest.mark.row("RD-10")
def test_a_store_that_evicts_ends_the_start_in_a_line(run: Run, tmp_path: Path) -> None:
    evicting = start_embedded(tmp_path / "store")
    with redis.Redis.from_url(evicting.url) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
    secret = "x" * 43
    store = f"store: {{url: '{evicting.url}', encryption_keys: [{secret}]}}\n"
    (tmp_path / "broker.yaml").write_text(f"{LOCAL}{store}subject_key: {secret}\n")
    said = run("serve", "--config", "broker.yaml")
    evicting.stop()
    assert said.returncode == 1
    first, *_ = said.stderr.splitlines()
    assert first == "broker: store: its maxmemory-policy is allkeys-lru, must be noeviction"
