"""The image and the composition, as far as they can be tried without a container engine.

The Dockerfile's steps are run, in their order, with its folders moved below a temporary one; what its last
stage would hold is then asked what the image would be asked.
"""

import asyncio
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.deploy.files import DEPLOY, ROOT, stages, swap
from tests.interop.processes import free_port, running

BUILD, LAST = stages()
FOLDERS = ("/src", "/opt/build", "/opt/broker")

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("image")]


def found(stage, word):
    return [instruction for instruction in stage if instruction.word == word]


def one(stage, word):
    (instruction,) = found(stage, word)
    return instruction


def health_check():
    return one(LAST, "HEALTHCHECK").rest.partition("CMD ")[2]


# ── What the file says ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("SC-06")
def test_no_step_needs_a_shell():
    for instruction in [*found(BUILD, "RUN"), one(LAST, "ENTRYPOINT"), one(LAST, "CMD")]:
        assert instruction.command
    assert not found(LAST, "RUN")


@pytest.mark.row("SC-06")
def test_the_image_runs_as_nobody_and_holds_only_the_installed_broker():
    user, group = one(LAST, "USER").rest.split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert [copy.rest for copy in found(LAST, "COPY")] == ["--from=build /opt/broker /opt/broker"]


def test_both_stages_stand_on_the_same_python():
    # A venv names the interpreter that it was made with.
    assert one(BUILD, "FROM").rest.removesuffix(" AS build") == one(LAST, "FROM").rest


def test_everything_that_is_installed_is_pinned_by_hash():
    for step in (step.command for step in found(BUILD, "RUN")):
        if "install" in step:
            assert "--no-deps" in step
            assert "--require-hashes" in step or "--no-index" in step


def test_the_builder_is_given_what_is_copied_and_nothing_else():
    rules = (DEPLOY / "Dockerfile.dockerignore").read_text().split("\n")
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {source for copy in found(BUILD, "COPY") for source in copy.rest.split()[:-1]}
    assert rules[1] == "*"
    assert allowed == copied


# ── What its steps make ───────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder below which the Dockerfile's own folders lie, after all its steps."""
    top = tmp_path_factory.mktemp("image")
    for copy in found(BUILD, "COPY"):
        *sources, target = copy.rest.split()
        for source in sources:
            _copy(ROOT / source, top / target.lstrip("/"))
    for step in found(BUILD, "RUN"):
        command = [_moved(word, top) for word in step.command if word != "--no-cache-dir"]
        if command[0] == "python":
            command[0] = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
        ran = subprocess.run(
            command, cwd=top / "src", capture_output=True, text=True, check=False, env=_clean()
        )
        assert ran.returncode == 0, ran.stderr
    return top


def _copy(source, target):
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _moved(word, top):
    return next(
        (f"{top}{word}" for folder in FOLDERS if word == folder or word.startswith(f"{folder}/")), word
    )


def _clean():
    """The environment without what would let the checkout shine through."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }


def in_image(image, *command, env=None, **more):
    """Run a command as the image would: far from the checkout."""
    moved = [_moved(word, image) for word in command]
    return subprocess.run(
        moved, cwd="/", env={**_clean(), **(env or {})}, capture_output=True, text=True, check=False, **more
    )


@pytest.mark.timeout(600)
def test_its_steps_make_a_broker_that_knows_its_version(image):
    entry = one(LAST, "ENTRYPOINT").command
    said = in_image(image, *entry, "--version")
    assert (said.returncode, said.stdout.strip()) == (0, "broker 0.1.0")


@pytest.mark.timeout(600)
def test_the_image_holds_no_tool_that_only_builds(image):
    installed = {
        path.name.partition("-")[0] for path in image.glob("opt/broker/lib/*/site-packages/*.dist-info")
    }
    assert "federation_broker" in installed
    assert installed.isdisjoint({"pip", "hatchling", "editables", "setuptools", "pytest"})


@pytest_asyncio.fixture
async def answering():
    """A server whose /healthz answers the status that it was last told."""
    app = web.Application()
    told = {"status": 200}

    async def healthz(_request):
        return web.Response(status=told["status"])

    app.router.add_get("/healthz", healthz)
    async with TestServer(app) as server:
        yield server.port, told


@pytest.mark.timeout(600)
async def test_the_health_check_tells_a_broker_that_serves_from_one_that_does_not(image, answering):
    port, told = answering

    async def check(on):
        command = json.loads(swap(health_check(), {"8080": str(on)}))
        return (await asyncio.to_thread(in_image, image, *command)).returncode

    assert await check(port) == 0
    told["status"] = 503
    assert await check(port) != 0
    assert await check(free_port()) != 0


@pytest.mark.timeout(600)
async def test_the_installed_broker_serves_far_from_the_checkout_and_passes_its_health_check(image, tmp_path):
    port = free_port()
    path = tmp_path / "broker.yaml"
    path.write_text(
        f"issuer: http://127.0.0.1:{port}\n"
        f"listen: 127.0.0.1:{port}\n"
        f"store: {{ url: embedded }}\n"
        f"state_dir: {tmp_path}/state\n"
        "connectors:\n"
        "  staff: { type: oidc, name: A, issuer: 'https://idp.example', client_id: b, client_secret: s }\n"
        "clients:\n"
        "  app: { client_name: App, client_secret: app-secret, redirect_uris: ['https://app.example/cb'] }\n"
    )
    path.chmod(0o600)
    entry, command = one(LAST, "ENTRYPOINT").command, one(LAST, "CMD").command
    moved = [_moved(word, image) for word in entry]
    config = {"BROKER_CONFIG": str(path)}
    async with running(*moved, *command, env=config, cwd=tmp_path) as serving:
        await serving.says('"serving"')
        check = json.loads(swap(health_check(), {"8080": str(port)}))
        assert (await asyncio.to_thread(in_image, image, *check)).returncode == 0
        assert await serving.end() == 0


# ── The composition ───────────────────────────────────────────────────────────────────────────

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
BROKER = COMPOSE["services"]["broker"]
CONFIG = yaml.safe_load((DEPLOY / "broker.yaml").read_text())


def test_the_composition_builds_this_dockerfile_from_this_checkout():
    context = (DEPLOY / BROKER["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / BROKER["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_the_configuration_lies_where_the_image_looks_for_it():
    (mounted,) = BROKER["volumes"]
    here, there, mode = mounted.split(":")
    assert (DEPLOY / here).is_file()
    assert f"BROKER_CONFIG={there}" in one(LAST, "ENV").rest.split()
    assert mode == "ro"


def test_ports_agree_and_only_this_host_reaches_them():
    (published,) = BROKER["ports"]
    address, _, inside = published.split(":")
    assert address == "127.0.0.1"
    assert inside == one(LAST, "EXPOSE").rest == CONFIG["listen"].rpartition(":")[2]


def test_the_broker_believes_only_the_host_that_the_proxy_runs_on():
    (network,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert CONFIG["trusted_proxies"]["networks"] == [f"{network['gateway']}/32"]


@pytest.mark.row("SC-06")
def test_every_service_is_kept_small():
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
    assert COMPOSE["networks"]["store"]["internal"] is True
    assert "ports" not in COMPOSE["services"]["valkey"]


def test_every_secret_that_the_configuration_names_is_handed_over():
    text = (DEPLOY / "broker.yaml").read_text()
    named = {word.strip("[]").rpartition("/")[2] for word in text.split() if "file:/run/secrets/" in word}
    assert named == set(BROKER["secrets"]) == set(COMPOSE["secrets"])


@pytest.mark.timeout(600)
def test_the_configuration_of_the_composition_has_no_mistake(image, tmp_path):
    for name in BROKER["secrets"]:
        (tmp_path / name).write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        (tmp_path / name).chmod(0o400)
    path = tmp_path / "broker.yaml"
    path.write_text(swap((DEPLOY / "broker.yaml").read_text(), {"/run/secrets": str(tmp_path)}))
    said = in_image(image, "/opt/broker/bin/broker", "check", str(path), env=BROKER["environment"])
    assert (said.returncode, said.stderr) == (0, "")
