"""The nginx and Caddy examples, each running with only its addresses changed, in front of a backend.

What they must do is the same for both: end TLS, tell the broker the truth about where a request came from
whatever the browser claims, keep out what is too large, and keep secrets out of their logs.
"""

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess

import pytest
import pytest_asyncio

from tests.deploy.conftest import NAME, Proxy
from tests.deploy.files import DEPLOY, swap
from tests.interop.processes import free_port, running
from tests.patience import PATIENCE

os.environ["PATH"] += ":/usr/sbin"

LIES = (
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For: 7.7.7.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1",
    "X-Real-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6;proto=http;host=evil.example",
    "Client-Cert: :MIIB:",
    "Client-Cert-Chain: :MIIB:",
)
TRUTH = {
    "x-forwarded-for": ["127.0.0.1"],
    "x-forwarded-proto": ["https"],
    "x-forwarded-host": [NAME],
    "host": [NAME],
}

pytestmark = pytest.mark.deploy


def nginx_example(folder, certificate, backend_port):
    """The example inside the frame that a Debian machine gives it; returns the frame's path and the port."""
    https, http = free_port(), free_port()
    example = swap(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "    listen [::]:443 ssl default_server;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "    listen [::]:80 default_server;\n": "",
            "listen 443": f"listen 127.0.0.1:{https}",
            "listen 80": f"listen 127.0.0.1:{http}",
            "127.0.0.1:8080": f"127.0.0.1:{backend_port}",
            "/etc/nginx/tls/login.acme.example/fullchain.pem": str(certificate.chain),
            "/etc/nginx/tls/login.acme.example/privkey.pem": str(certificate.key),
            "/var/log/nginx/broker.log": str(folder / "access.log"),
        },
    )
    (folder / "broker.conf").write_text(example)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    frame = folder / "nginx.conf"
    frame.write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr notice; events {{}}\n"
        f"http {{ {temporary} access_log off; include {folder}/broker.conf; }}\n"
    )
    return frame, https


def caddy_example(folder, certificate, backend_port):
    """The example with a certificate of ours and ports that are free; returns its path and the port."""
    https = free_port()
    ours = f"admin off\n\thttp_port {free_port()}\n\thttps_port {https}\n\tdefault_bind 127.0.0.1\n"
    site = f"{NAME} {{\n"
    example = swap(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "{\n\tservers {": f"{{\n\t{ours}\tservers {{",
            site: f"{site}\ttls {certificate.chain} {certificate.key}\n",
            "127.0.0.1:8080": f"127.0.0.1:{backend_port}",
        },
    )
    path = folder / "Caddyfile"
    path.write_text(example)
    return path, https


@contextlib.asynccontextmanager
async def nginx(folder, certificate, backend_port):
    path, port = nginx_example(folder, certificate, backend_port)
    async with running("nginx", "-p", folder, "-c", path) as process:
        await process.says("start worker process")
        yield Proxy(port, certificate.trusted), (folder / "access.log").read_text


@contextlib.asynccontextmanager
async def caddy(folder, certificate, backend_port):
    path, port = caddy_example(folder, certificate, backend_port)
    env = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    async with running("caddy", "run", "--adapter", "caddyfile", "--config", path, env=env) as process:
        await process.says("serving initial configuration")
        yield Proxy(port, certificate.trusted), lambda: "\n".join(process.lines)


@pytest_asyncio.fixture(params=[nginx, caddy], ids=lambda each: each.__name__)
async def proxy(request, tmp_path, certificate, backend):
    """Each proxy with its example, and what it has logged."""
    if shutil.which(request.param.__name__) is None:
        pytest.skip(f"no {request.param.__name__} here")
    async with request.param(tmp_path, certificate, backend.port) as running_proxy:
        yield running_proxy


async def test_what_the_browser_claims_of_itself_is_replaced_and_not_added_to(proxy, backend):
    standing, _ = proxy
    assert (await standing.ask("/authorize?state=x", *LIES))[0] == 200

    ((_, headers),) = backend.requests
    told = {}
    for name, value in headers:
        told.setdefault(name, []).append(value)
    assert {name: told.get(name) for name in TRUTH} == TRUTH
    for name in ("x-forwarded-port", "x-real-ip", "forwarded", "client-cert", "client-cert-chain"):
        assert name not in told
    assert "6.6.6.6" not in str(headers)


async def test_a_login_with_its_parameters_and_its_form_passes_unchanged(proxy, backend):
    standing, _ = proxy
    target = "/authorize?scope=openid%20email&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=a%2Fb"
    assert (await standing.ask(target))[0] == 200
    form = "Content-Type: application/x-www-form-urlencoded"
    assert (await standing.ask("/token", form, method="POST", body=b"a=" + b"b" * 60_000))[0] == 200
    assert [path for path, _ in backend.requests] == [target, "/token"]


async def test_a_body_that_no_form_of_ours_has_is_refused(proxy, backend):
    standing, _ = proxy
    form = "Content-Type: application/x-www-form-urlencoded"
    status, _ = await standing.ask("/token", form, method="POST", body=b"a=" + b"b" * 200_000)
    # Caddy 2.6 finds out while it passes the body on, and then breaks off: bad gateway.
    assert status in (413, 502)
    assert backend.bodies == []


async def test_a_header_that_no_browser_sends_does_not_pass(proxy, backend):
    standing, _ = proxy
    status, _ = await standing.ask("/authorize", "Cookie: " + "c" * 90_000)
    assert 400 <= status < 500
    assert backend.requests == []


async def test_the_measurements_are_not_shown_to_the_world(proxy, backend):
    standing, _ = proxy
    assert (await standing.ask("/metrics"))[0] == 404
    assert backend.requests == []


async def test_what_a_query_carries_stays_out_of_the_log(proxy):
    standing, log = proxy
    await standing.ask("/callback/staff?code=very-secret-code&state=very-secret-state", "Cookie: a=secret-c")
    async with asyncio.timeout(PATIENCE):
        # The line is written after the answer, and nobody tells when.
        while "/callback/staff" not in log():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert "secret" not in log()


async def test_another_host_gets_no_certificate(proxy):
    standing, _ = proxy
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(
            "127.0.0.1", standing.port, ssl=standing.trusted, server_hostname="other.example"
        )


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx_accepts_the_example(tmp_path, certificate):
    path, _ = nginx_example(tmp_path, certificate, 8080)
    said = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", path], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "[warn]" not in said.stderr


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no caddy here")
@pytest.mark.parametrize("command", ["validate", "fmt"])
def test_caddy_accepts_the_example_as_it_stands(tmp_path, command):
    path = DEPLOY / "Caddyfile"
    arguments = ["--adapter", "caddyfile", "--config", path] if command == "validate" else [path]
    env = {**os.environ, "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    said = subprocess.run(
        ["caddy", command, *arguments], capture_output=True, text=True, check=False, env=env
    )
    assert said.returncode == 0, said.stderr
    if command == "fmt":
        assert said.stdout == path.read_text()
    else:
        assert '"level":"warn"' not in said.stderr
