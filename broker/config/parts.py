"""What is not a connector, client or scope: listening, the store, keys and lifetimes, checked together.

Owns the rules between those keys. The signing algorithms follow OpenID Connect Discovery §3, which wants
RS256 of everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from broker.config.environment import is_file
from broker.config.sections import Sections
from broker.config.settings import (
    EMBEDDED,
    ConnectorConfig,
    KeysConfig,
    Lifetimes,
    Listen,
    OutboundConfig,
    RefreshTokenLifetimes,
    RoutingConfig,
    SessionLifetimes,
    StoreConfig,
    TlsConfig,
    TrustedProxies,
)
from broker.config.written import Keys, Routing, Store, Tls
from broker.config.written import Lifetimes as LifetimesWritten
from broker.connector import Secret
from broker.domains import DomainIndex
from broker.protocol.client import Client, SigningAlg
from broker.protocol.routing import Routes

# Where state would lie if a store of ours were needed; with a store URL nothing is written there.
_NOWHERE = Path("/var/lib/broker")
# The URL of a store that is written so wrongly that nothing can be said of what it needs.
_UNREAD = ""
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

    def doors(self, issuer: str | None, clients: Mapping[str, Client]) -> dict[str, Any]:
        """Where the broker listens, and whom it believes there; by the names that `Config` has for it."""
        tls, proxies, mtls = self.tls(), self.trusted_proxies(), self.listen_mtls()
        self._certificates(clients, tls, mtls, proxies)
        return {
            "listen": self.listen(),
            "listen_mtls": mtls,
            "mtls_url": self.mtls_url(issuer, mtls, proxies),
            "tls": tls,
            "trusted_proxies": proxies,
        }

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
        part = self._sections.part("tls", Tls)
        if part is None:
            return None
        for key, file in (("certificate", part.entry.certificate), ("key", part.entry.key)):
            if part.knows(key):
                self._must_exist(("tls", key), file)
        self._is_authority(("tls", "client_ca"), part.entry.client_ca)
        return TlsConfig(
            certificate=part.entry.certificate, key=part.entry.key, client_ca=part.entry.client_ca
        )

    def listen_mtls(self) -> Listen | None:
        """Where apps show client certificates, which needs a certificate of our own."""
        text = self._sections.get("listen_mtls")
        if text is None:
            return None
        if self._sections.shared("tls") is None:
            self._sections.wrong(("listen_mtls",), "needs tls: the certificate to serve https with")
        try:
            found = read_listen(text, self._sections.directory_of("listen_mtls"))
        except ValueError as error:
            self._sections.wrong(("listen_mtls",), str(error))
            return None
        if found.port is None and self._sections.get("mtls_url") is None:
            self._sections.wrong(("mtls_url",), "missing; a socket without a port has no URL of its own")
        return found

    def mtls_url(self, issuer: str | None, listen: Listen | None, by: TrustedProxies) -> str | None:
        """What an endpoint's path stands behind for those who show a client certificate."""
        written: str | None = self._sections.get("mtls_url")
        if written is not None and listen is None and by.client_certificate_header is None:
            said = "of what? neither listen_mtls nor a proxy's client_certificate_header is there"
            self._sections.wrong(("mtls_url",), said)
        if not issuer:
            return None
        parts = urlsplit(issuer)
        if written is not None:
            return written + parts.path
        if listen is None:
            return None
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if listen.port == 443 else f":{listen.port}"  # noqa: PLR2004
        return f"https://{host}{port}{parts.path}"

    def _certificates(
        self, clients: Mapping[str, Client], tls: TlsConfig | None, listen: Listen | None, by: TrustedProxies
    ) -> None:
        """That a certificate can come here, where an app proves itself by one, and somebody's word for it."""
        comes = listen is not None or by.client_certificate_header is not None
        word = (tls is not None and tls.client_ca) or by.client_ca
        for name, client in clients.items():
            path = ("clients", name, "token_endpoint_auth_method")
            by_name = client.token_endpoint_auth_method == "tls_client_auth"
            bound = client.tls_client_certificate_bound_access_tokens
            if not (by_name or bound or client.token_endpoint_auth_method == "self_signed_tls_client_auth"):
                continue
            if not comes:
                where = "listen_mtls, or trusted_proxies.client_certificate_header"
                self._sections.wrong(path, f"no certificate can come here; that needs {where}")
            elif by_name and not word:
                self._sections.wrong(path, "needs client_ca under tls or trusted_proxies: whom to believe")

    def _is_authority(self, path: tuple[str | int, ...], file: Path | None) -> None:
        """That certificates are in the file."""
        if file is None:
            return
        from broker.clients.certificates import Authorities, CertificateError  # noqa: PLC0415  (few have one)

        try:
            Authorities.load([file])
        except CertificateError as error:
            self._sections.wrong(path, str(error))

    def trusted_proxies(self) -> TrustedProxies:
        """Whose headers are believed."""
        written = self._sections.get("trusted_proxies")
        if written is None:
            return TrustedProxies()
        self._is_authority(("trusted_proxies", "client_ca"), written.client_ca)
        return TrustedProxies(
            networks=written.networks,
            headers=written.headers,
            client_certificate_header=written.client_certificate_header,
            client_ca=written.client_ca,
        )

    def store(self) -> StoreConfig:
        """Where state is kept."""
        part = self._sections.part("store", Store)
        if part is None or not part.knows("url"):
            return StoreConfig(url=_UNREAD)
        written = part.entry
        objection = _store_objection(written.url)
        if objection is not None:
            self._sections.wrong(("store", "url"), objection)
        elif written.url != EMBEDDED and part.knows("encryption_keys") and not written.encryption_keys:
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
        if written is None and store.url not in {EMBEDDED, _UNREAD}:
            self._sections.wrong(
                ("subject_key",), "missing; with a store URL it must be given (broker init makes one)"
            )
        return written

    def keys(self, asked: Mapping[SigningAlg, str]) -> KeysConfig:
        """What signs, covering what is asked for; ``asked`` says by whom, for each algorithm."""
        part = self._sections.part("keys", Keys)
        if part is None:
            return KeysConfig()
        written = part.entry
        for index, file in enumerate(written.files):
            self._must_exist(("keys", "files", index), file)
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
                ("keys", "algorithms"), f"{name} is not among them, and {asked[name]} needs it"
            )
        return KeysConfig(
            files=written.files, algorithms=written.algorithms, rotate_every=written.rotate_every
        )

    def lifetimes(self) -> Lifetimes:
        """How long things live; what is idle ends before what is absolute."""
        part = self._sections.part("lifetimes", LifetimesWritten)
        if part is None:
            return Lifetimes()
        written = part.entry
        refresh, session = written.refresh_token, written.session
        for name, pair in (("refresh_token", refresh), ("session", session)):
            if part.knows((name, "idle"), (name, "absolute")) and pair.idle > pair.absolute:
                self._sections.wrong(("lifetimes", name, "idle"), "must not be longer than absolute")
        return Lifetimes(
            login=written.login,
            code=written.code,
            device=written.device,
            par=written.par,
            access_token=written.access_token,
            id_token=written.id_token,
            refresh_token=RefreshTokenLifetimes(
                idle=refresh.idle, absolute=refresh.absolute, grace=refresh.grace
            ),
            session=SessionLifetimes(idle=session.idle, absolute=session.absolute),
            consent=written.consent,
            explain=written.explain,
        )

    def outbound(self) -> OutboundConfig:
        """How the broker speaks to others."""
        written = self._sections.get("outbound")
        if written is None:
            return OutboundConfig()
        return OutboundConfig(timeout=float(written.timeout), allow_networks=written.allow_networks)

    def routing(
        self, connectors: Mapping[str, ConnectorConfig], clients: Mapping[str, Client]
    ) -> RoutingConfig:
        """How people come to their way of signing in, worked out for every client app and domain."""
        written = self._sections.get("routing") or Routing()
        enabled = [connector for connector in connectors.values() if connector.enabled]
        patterns = {one.id: one.domains for one in enabled if one.domains}
        return RoutingConfig(
            email_domains=written.email_domains,
            remembered=written.remembered,
            domains=DomainIndex(patterns if written.email_domains != "off" else {}),
            routes=Routes((connector.id for connector in enabled), clients),
        )

    def _must_exist(self, path: tuple[str | int, ...], file: Path) -> None:
        if not is_file(file):
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
