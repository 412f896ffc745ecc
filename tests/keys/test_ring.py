"""Every worker signs with a key that all publish, and what was signed stays good as long as it should."""

from __future__ import annotations

import asyncio
import json
import stat
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from broker.config import Config, KeysConfig, Lifetimes, StoreConfig
from broker.connector import Secret
from broker.jose import JoseError, KeySet, verify
from broker.keys import AHEAD, KeyRing, KeysMisconfigured
from broker.kit.loop_clock import by_hand
from broker.store import Store, StoreMisconfigured

DAY = 86_400
KEEP = AHEAD + 12 * 3600
"""As long as a session can live, which is the longest life in the default lifetimes."""


@dataclass
class Clock:
    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Settings:
    """What the key ring reads of a configuration."""

    store: StoreConfig
    state_dir: Path
    keys: KeysConfig = field(default_factory=lambda: KeysConfig(algorithms=("ES256",)))
    subject_key: Secret | None = None
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    workspace: str = ""


Open = Callable[..., Any]


@pytest.fixture(params=["state_dir", "store"])
def opened(
    request: pytest.FixtureRequest, store: Store, store_config: StoreConfig, tmp_path: Path, clock: Clock
) -> Open:
    """Opens the key ring as another worker would, on both kinds of shelf."""
    where = StoreConfig() if request.param == "state_dir" else store_config

    @asynccontextmanager
    async def open_ring(keys: KeysConfig = KeysConfig(algorithms=("ES256",))) -> AsyncIterator[KeyRing]:  # noqa: B008
        settings: Any = Settings(store=where, state_dir=tmp_path / "state", keys=keys)
        ring = await KeyRing.open(settings, store, now=clock, watch=False)
        yield ring
        await ring.close()

    return open_ring


def kids(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


def kid_of(token: str) -> str:
    kid: str = json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"]
    return kid


def sign(ring: KeyRing, alg: str = "ES256") -> str:
    return ring.sign(alg, {"sub": "ada"}, typ="at+jwt")


async def test_keys_are_made_once_and_kept(opened: Open) -> None:
    async with opened() as first:
        token = sign(first)
        async with opened() as second:
            assert kids(second) == kids(first) == [kid_of(token)]
            assert second.verify_own(token, typ="at+jwt") == {"sub": "ada"}


@pytest.mark.row("KY-02")
async def test_workers_that_start_together_make_one_key(opened: Open) -> None:
    async def worker() -> tuple[list[str], str]:
        async with opened() as ring:
            return kids(ring), kid_of(sign(ring))

    found = await asyncio.gather(*(worker() for _ in range(12)))
    assert len({(*published, signer) for published, signer in found}) == 1
    assert len(found[0][0]) == 1


@pytest.mark.row("KY-01")
async def test_a_rotation_publishes_first_signs_later_and_keeps_the_old_key(
    opened: Open, clock: Clock
) -> None:
    async with opened() as ring:
        before = sign(ring)
        await ring.rotate()
        assert len(kids(ring)) == 2
        clock.at += AHEAD - 1
        assert kid_of(sign(ring)) == kid_of(before)
        clock.at += 1
        after = sign(ring)
        assert kid_of(after) != kid_of(before)
        assert {kid_of(before), kid_of(after)} == set(kids(ring))
        clock.at += KEEP - 1
        assert ring.verify_own(before, typ="at+jwt") == {"sub": "ada"}
        clock.at += 1
        assert ring.verify_own(before, typ="at+jwt") is None
        assert kids(ring) == [kid_of(after)]


@pytest.mark.row("KY-02")
async def test_another_worker_notices_a_rotation_and_never_signs_with_what_is_not_published(
    opened: Open, clock: Clock
) -> None:
    async with opened() as one, opened() as other:
        await one.rotate()
        assert len(kids(other)) == 1
        await other.refresh()
        assert kids(other) == kids(one)
        clock.at += AHEAD
        assert kid_of(sign(one)) == kid_of(sign(other)) == kids(one)[1]


async def test_rotations_that_race_bring_one_next_key(opened: Open) -> None:
    async with opened() as one, opened() as other:
        await asyncio.gather(one.rotate(), other.rotate(), one.rotate(), other.rotate())
        await one.refresh()
        assert [known.state for known in one.known()] == ["current", "next"]


async def test_keys_rotate_by_themselves_when_their_time_comes(opened: Open, clock: Clock) -> None:
    async with opened(KeysConfig(algorithms=("ES256",), rotate_every=90 * DAY)) as ring:
        first = kid_of(sign(ring))
        clock.at += 90 * DAY - AHEAD - 1
        await ring.refresh()
        assert kids(ring) == [first]
        clock.at += 1
        await ring.refresh()
        assert [known.state for known in ring.known()] == ["current", "next"]
        clock.at += AHEAD
        assert kid_of(sign(ring)) != first
        clock.at += 90 * DAY
        await ring.refresh()
        assert first not in kids(ring)


@pytest.mark.row("KY-03")
async def test_a_retired_key_is_out_of_everything_at_once(opened: Open) -> None:
    async with opened() as ring, opened() as other:
        leaked = sign(ring)
        assert await ring.retire(kid_of(leaked))
        assert ring.verify_own(leaked, typ="at+jwt") is None
        assert kid_of(leaked) not in kids(ring)
        await other.refresh()
        assert other.verify_own(leaked, typ="at+jwt") is None
        assert ring.verify_own(sign(other), typ="at+jwt") == {"sub": "ada"}
        assert not await ring.retire("nobody")


async def test_only_algorithms_in_use_have_keys_and_each_has_its_own(opened: Open) -> None:
    async with opened(KeysConfig(algorithms=("RS256", "PS256", "ES256", "EdDSA", "Ed25519"))) as ring:
        published = ring.jwks()["keys"]
        assert len({key["kid"] for key in published}) == len(published) == 4
        assert not {name for key in published for name in key} & {"d", "p", "q", "dp", "dq", "qi", "k"}
        for alg in ring.algorithms:
            token = sign(ring, alg)
            public = KeySet.from_jwks(ring.jwks())
            assert verify(token, public, algorithms=[alg], typ={"at+jwt"}) == {"sub": "ada"}
            assert ring.verify_own(token, typ="at+jwt") == {"sub": "ada"}
    async with opened() as ring:
        with pytest.raises(JoseError):
            ring.sign("HS256", {}, typ="JWT")


async def test_an_algorithm_that_comes_into_use_gets_a_key(opened: Open) -> None:
    async with opened() as ring:
        es256 = sign(ring)
    async with opened(KeysConfig(algorithms=("ES256", "EdDSA"))) as ring:
        assert kid_of(es256) in kids(ring)
        assert ring.verify_own(sign(ring, "EdDSA"), typ="at+jwt") == {"sub": "ada"}


async def test_the_published_document_is_the_same_object_until_it_changes(opened: Open) -> None:
    async with opened() as ring:
        first = ring.jwks()
        await ring.refresh()
        assert ring.jwks() is first
        await ring.rotate()
        assert ring.jwks() is not first


async def test_a_token_of_another_type_or_key_is_not_ours(opened: Open, tmp_path: Path, clock: Clock) -> None:
    elsewhere: Any = Settings(store=StoreConfig(), state_dir=tmp_path / "elsewhere")
    other = await KeyRing.open(elsewhere, None, now=clock, watch=False)
    async with opened() as ring:
        token = sign(ring)
        assert ring.verify_own(token, typ="JWT") is None
        assert ring.verify_own(sign(other), typ="at+jwt") is None
        assert ring.verify_own(token[:-4] + "AAAA", typ="at+jwt") is None
        assert ring.verify_own("rubbish", typ="at+jwt") is None


async def test_an_unknown_kid_wakes_the_watch(
    store: Store, store_config: StoreConfig, tmp_path: Path, clock: Clock
) -> None:
    settings: Any = Settings(store=store_config, state_dir=tmp_path, subject_key=Secret("s" * 40))
    with by_hand():  # no time goes by, and so nobody looks by the clock
        watching = await KeyRing.open(settings, store, now=clock)
        other = await KeyRing.open(settings, store, now=clock, watch=False)
        await other.retire(kids(other)[0])
        token = sign(other)
        seen = asyncio.Event()
        refresh = watching.refresh

        async def noticing() -> None:
            await refresh()
            if kids(watching) == kids(other):
                seen.set()

        watching.refresh = noticing  # type: ignore[method-assign]
        assert watching.verify_own(token, typ="at+jwt") is None
        await seen.wait()
        assert watching.verify_own(token, typ="at+jwt") == {"sub": "ada"}
        await watching.close()
        await other.close()


async def test_files_in_the_state_folder_are_the_owners_alone(tmp_path: Path, clock: Clock) -> None:
    settings: Any = Settings(store=StoreConfig(), state_dir=tmp_path / "state")
    ring = await KeyRing.open(settings, None, now=clock, watch=False)
    again = await KeyRing.open(settings, None, now=clock, watch=False)
    assert ring.subject_key == again.subject_key
    assert len(ring.subject_key) >= 32
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert modes == dict.fromkeys(["signing-keys.json", "signing-keys.lock", "subject-key"], 0o600)


async def test_the_configured_subject_key_is_the_one(tmp_path: Path, clock: Clock) -> None:
    settings: Any = Settings(store=StoreConfig(), state_dir=tmp_path, subject_key=Secret("configured " * 4))
    ring = await KeyRing.open(settings, None, now=clock, watch=False)
    assert ring.subject_key == b"configured " * 4


@pytest.mark.parametrize(
    ("workspace", "path"), [("", "subject_key"), ("acme", "workspaces.acme.subject_key")]
)
async def test_nobody_becomes_somebody_else_by_a_line_of_the_configuration(
    tmp_path: Path, clock: Clock, workspace: str, path: str
) -> None:
    """Who leaves the embedded store names a subject key, of which that of a workspace is derived."""
    before: Any = Settings(store=StoreConfig(), state_dir=tmp_path, workspace=workspace)
    made = (await KeyRing.open(before, None, now=clock, watch=False)).subject_key
    with pytest.raises(StoreMisconfigured) as refused:
        await KeyRing.open(replace(before, subject_key=Secret("another " * 5)), None, now=clock, watch=False)
    assert str(refused.value).startswith(f"{path}: ")
    assert f"file:{tmp_path}/subject-key" in str(refused.value)
    named = replace(before, subject_key=Secret(made.decode()))
    assert (await KeyRing.open(named, None, now=clock, watch=False)).subject_key == made


@pytest.mark.parametrize("content", ["nonsense", '{"version":9,"keys":[]}'])
async def test_a_damaged_key_file_stops_the_start_and_is_not_replaced(
    tmp_path: Path, clock: Clock, content: str
) -> None:
    (tmp_path / "signing-keys.json").write_text(content)
    settings: Any = Settings(store=StoreConfig(), state_dir=tmp_path)
    with pytest.raises(KeysMisconfigured):
        await KeyRing.open(settings, None, now=clock, watch=False)
    assert (tmp_path / "signing-keys.json").read_text() == content


@pytest.mark.row("KY-05")
async def test_a_stored_key_under_another_name_stops_the_start(tmp_path: Path, clock: Clock) -> None:
    settings: Any = Settings(store=StoreConfig(), state_dir=tmp_path)
    await KeyRing.open(settings, None, now=clock, watch=False)
    file = tmp_path / "signing-keys.json"
    document = json.loads(file.read_text())
    document["keys"][0]["kid"] = "another"
    file.write_text(json.dumps(document))
    with pytest.raises(KeysMisconfigured, match="another key"):
        await KeyRing.open(settings, None, now=clock, watch=False)


# ── Keys that are files ───────────────────────────────────────────────────────────────────────


def pem(folder: Path, name: str, key: Any) -> Path:
    file = folder / name
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


def from_files(tmp_path: Path, *files: Path, algorithms: tuple[Any, ...] = ("ES256",)) -> Any:
    keys = KeysConfig(files=files, algorithms=algorithms)
    return Settings(store=StoreConfig(), state_dir=tmp_path / "state", keys=keys)


async def test_of_several_files_the_first_signs_and_all_are_published(tmp_path: Path, clock: Clock) -> None:
    one = pem(tmp_path, "one.pem", ec.generate_private_key(ec.SECP256R1()))
    two = pem(tmp_path, "two.pem", ec.generate_private_key(ec.SECP256R1()))
    ring = await KeyRing.open(from_files(tmp_path, one, two), None, now=clock)
    assert kid_of(sign(ring)) == kids(ring)[0]
    assert [known.state for known in ring.known()] == ["current", "old"]
    turned = await KeyRing.open(from_files(tmp_path, two, one), None, now=clock)
    assert kid_of(sign(turned)) == kids(ring)[1]
    assert turned.verify_own(sign(ring), typ="at+jwt") == {"sub": "ada"}
    with pytest.raises(KeysMisconfigured, match="changing that list"):
        await ring.rotate()
    assert not (tmp_path / "state" / "signing-keys.json").exists()


async def test_an_rsa_file_signs_rs256_or_ps256_where_its_name_says_so(tmp_path: Path, clock: Clock) -> None:
    plain = pem(tmp_path, "2026.pem", rsa.generate_private_key(65537, 2048))
    named = pem(tmp_path, "2026-ps256.pem", rsa.generate_private_key(65537, 2048))
    ring = await KeyRing.open(
        from_files(tmp_path, plain, named, algorithms=("RS256", "PS256")), None, now=clock
    )
    assert [key["alg"] for key in ring.jwks()["keys"]] == ["RS256", "PS256"]


@pytest.mark.row("KY-05")
async def test_files_that_cannot_serve_stop_the_start(tmp_path: Path, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    one, same = pem(tmp_path, "one.pem", key), pem(tmp_path, "same.pem", key)
    weak = pem(tmp_path, "weak.pem", rsa.generate_private_key(65537, 1024))
    other_curve = pem(tmp_path, "curve.pem", ec.generate_private_key(ec.SECP384R1()))
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    wrong: list[tuple[tuple[Path, ...], str]] = [
        ((one, same), "also in another file"),
        ((weak,), "weak.pem"),
        ((other_curve,), "curve.pem"),
        ((rubbish,), "rubbish.pem"),
        ((tmp_path / "missing.pem",), "No such file"),
    ]
    for files, words in wrong:
        with pytest.raises(KeysMisconfigured, match=words):
            await KeyRing.open(from_files(tmp_path, *files), None, now=clock)
    with pytest.raises(KeysMisconfigured, match="no key for RS256"):
        await KeyRing.open(from_files(tmp_path, one, algorithms=("ES256", "RS256")), None, now=clock)


def test_the_settings_of_these_tests_are_those_of_the_configuration() -> None:
    fields = Config.__dataclass_fields__
    assert {"store", "state_dir", "keys", "subject_key", "lifetimes", "workspace"} <= set(fields)
    assert replace(Settings(store=StoreConfig(), state_dir=Path())).lifetimes == Lifetimes()
