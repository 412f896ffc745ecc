"""What is not a connector, client or scope: listening, the store, keys and lifetimes, checked together.

Owns the rules between those keys. The signing algorithms follow OpenID Connect Discovery §3, which wants
RS256 of everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from broker.config.sections import Sections
from broker.config.settings import (
    EMBEDDED,
    KeysConfig,
    Lifetimes,
    Listen,
    OutboundConfig,
    RefreshTokenLifetimes,
    SessionLifetimes,
    StoreConfig,
    TlsConfig,
    TrustedProxies,
)
from broker.connector import Secret
from broker.protocol.client import Client, SigningAlg

# Where state would lie if a store of ours were needed; with a store URL nothing is written there.
_NOWHERE = Path("/var/lib/broker")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_MAX_PORT = 65535
_STORES = {"redis", "rediss", "unix"}
_STORES_LATER = {"redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}


def read_listen(text: str, directory: Path) -> Listen:
    """Where to listen, as ``listen`` and ``--listen`` write it.

    Raises:
        ValueError: it is neither an address with a port nor the path of a socket.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or "\0" in path:
            raise ValueError("expected the path of a socket after unix:")
        return Listen(path=directory / path)
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > _MAX_PORT:
        raise ValueError("expected an address and a port such as 127.0.0.1:8080, or unix:PATH")
    return Listen(host=match[1].strip("[]"), port=int(match[2]))


class Parts:
    """Reads each of them once."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections

    def listen(self) -> Listen:
        """Where to listen."""
        text = self._sections.get("listen") or "127.0.0.1:8080"
        try:
            return read_listen(text, self._sections.directory_of("listen"))
        except ValueError as error:
            self._sections.wrong(("listen",), str(error))
            return Listen()

    def tls(self) -> TlsConfig | None:
        """The files for https, which must be there."""
        written = self._sections.get("tls")
        if written is None:
            return None
        self._must_exist(("tls", "certificate"), written.certificate)
        self._must_exist(("tls", "key"), written.key)
        return TlsConfig(certificate=written.certificate, key=written.key)

    def trusted_proxies(self) -> TrustedProxies:
        """Whose headers are believed."""
        written = self._sections.get("trusted_proxies")
        if written is None:
            return TrustedProxies()
        return TrustedProxies(networks=written.networks, headers=written.headers)

    def store(self) -> StoreConfig:
        """Where state is kept."""
        written = self._sections.get("store")
        if written is None:
            return StoreConfig()
        objection = _store_objection(written.url)
        if objection is not None:
            self._sections.wrong(("store", "url"), objection)
        elif written.url != EMBEDDED and not written.encryption_keys:
            self._sections.wrong(
                ("store", "encryption_keys"), "missing; a store URL needs a key to encrypt with"
            )
        return StoreConfig(url=written.url, prefix=written.prefix, encryption_keys=written.encryption_keys)

    def state_dir(self, store: StoreConfig) -> Path:
        """Where the embedded store lives."""
        written: Path | None = self._sections.get("state_dir")
        if written is None and store.url == EMBEDDED:
            self._sections.wrong(("state_dir",), "missing; the embedded store keeps its data there")
        return written or _NOWHERE

    def subject_key(self, store: StoreConfig) -> Secret | None:
        """What every ``sub`` hangs on."""
        written: Secret | None = self._sections.get("subject_key")
        if written is None and store.url != EMBEDDED:
            self._sections.wrong(
                ("subject_key",), "missing; with a store URL it must be given (broker init makes one)"
            )
        return written

    def keys(self, clients: Iterable[Client]) -> KeysConfig:
        """What signs, covering what the clients ask for."""
        written = self._sections.get("keys")
        if written is None:
            return KeysConfig()
        for index, file in enumerate(written.files):
            self._must_exist(("keys", "files", index), file)
        asked: dict[SigningAlg, str] = {}
        for client in clients:
            asked.setdefault(client.id_token_signed_response_alg, client.client_id)
            asked.setdefault(client.access_token_signing_alg, client.client_id)
        if written.algorithms is None:
            usual: tuple[SigningAlg, ...] = ("RS256",) if written.files else ("RS256", "ES256")
            algorithms = tuple(dict.fromkeys((*usual, *asked)))
            return KeysConfig(files=written.files, algorithms=algorithms, rotate_every=written.rotate_every)
        missing = [name for name in asked if name not in written.algorithms]
        if "RS256" not in written.algorithms:
            self._sections.wrong(
                ("keys", "algorithms"), "RS256 must be among them (OpenID Connect Discovery)"
            )
        for name in missing:
            self._sections.wrong(
                ("keys", "algorithms"), f"{name} is not among them, and clients.{asked[name]} needs it"
            )
        return KeysConfig(
            files=written.files, algorithms=written.algorithms, rotate_every=written.rotate_every
        )

    def lifetimes(self) -> Lifetimes:
        """How long things live; what is idle ends before what is absolute."""
        written = self._sections.get("lifetimes")
        if written is None:
            return Lifetimes()
        refresh, session = written.refresh_token, written.session
        for name, pair in (("refresh_token", refresh), ("session", session)):
            if pair.idle > pair.absolute:
                self._sections.wrong(("lifetimes", name, "idle"), "must not be longer than absolute")
        return Lifetimes(
            login=written.login,
            code=written.code,
            access_token=written.access_token,
            id_token=written.id_token,
            refresh_token=RefreshTokenLifetimes(
                idle=refresh.idle, absolute=refresh.absolute, grace=refresh.grace
            ),
            session=SessionLifetimes(idle=session.idle, absolute=session.absolute),
            consent=written.consent,
        )

    def outbound(self) -> OutboundConfig:
        """How the broker speaks to others."""
        written = self._sections.get("outbound")
        if written is None:
            return OutboundConfig()
        return OutboundConfig(timeout=float(written.timeout), allow_networks=written.allow_networks)

    def _must_exist(self, path: tuple[str | int, ...], file: Path) -> None:
        if not file.is_file():
            self._sections.wrong(path, f"there is no file {file}")


def _store_objection(url: str) -> str | None:
    """Why this is no store that we can use; None when it may be one."""
    if url == EMBEDDED:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme in _STORES_LATER:
        return f"{parts.scheme}:// is not built yet; use redis://, rediss://, unix:// or embedded"
    if parts.scheme not in _STORES:
        return "expected redis://, rediss://, unix:// or embedded"
    if parts.scheme == "unix" and not parts.path.startswith("/"):
        return "expected unix:// and the whole path of a socket"
    if parts.scheme != "unix" and not host:
        return "names no host"
    return None
