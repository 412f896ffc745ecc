"""The sockets that all workers accept from, and https on them.

Owns how they are opened, and what TLS is offered there (RFC 9325 §4.2; FAPI 2.0 Security Profile §5.2.2). All
workers share each socket, and one queue of connections that wait there: when a worker leaves, the others take
what waits. (With a socket for each, as SO_REUSEPORT has it, what waits at the one that closes is lost.)
"""

from __future__ import annotations

import errno
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from broker.cli.operator import OperatorError
from broker.config import Listen, TlsConfig

_QUEUE = 1024


@dataclass(frozen=True, slots=True)
class Entrance:
    """A socket, with TLS on it or without."""

    socket: socket.socket
    tls: ssl.SSLContext | None = None


def open_socket(listen: Listen) -> socket.socket:
    """A socket that listens there, without blocking.

    Raises:
        OperatorError: that is not possible on this machine.
    """
    try:
        opened = _unix(listen.path) if listen.path is not None else _tcp(listen.host or "", listen.port or 0)
        opened.listen(_QUEUE)
    except OSError as error:
        reason = "somebody else listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise OperatorError(f"cannot listen on {listen}: {reason}") from error
    opened.setblocking(False)
    return opened


def _tcp(host: str, port: int) -> socket.socket:
    # The first address is enough: an operator who wants all of them writes 0.0.0.0 or [::].
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _unix(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        opened.bind(str(path))
        path.chmod(0o660)  # for a proxy in the same group
    except OSError:
        opened.close()
        raise
    return opened


def _clear(path: Path) -> None:
    """Takes away the socket of one who is gone, and nothing else."""
    if not (path.exists() and stat.S_ISSOCK(path.stat().st_mode)):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise OSError(errno.EADDRINUSE, "in use")
    path.unlink()


def where(opened: socket.socket, *, tls: bool) -> str:
    """The address that it really got, for people."""
    name = opened.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{'https' if tls else 'http'}://{host}:{name[1]}"


def tls_context(files: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 and later with the operator's certificate (RFC 9325 §3.1.1).

    Raises:
        OperatorError: the files are not a certificate and its key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.set_ciphers("ECDHE+AESGCM")  # those that RFC 9325 §4.2 recommends; TLS 1.3 has its own, all good
    try:
        # A password is never asked for: nobody sits at the terminal.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, OSError) as error:
        message = f"tls: {files.certificate} and {files.key} are not a certificate and its unencrypted key"
        raise OperatorError(f"{message}: {error.strerror or error}") from error
    return context


def mtls_context(files: TlsConfig) -> ssl.SSLContext:
    """The same, asking for a client certificate (RFC 8705 §2 and §3).

    One need not be shown, since some apps only come here for that they have been told to. What is shown must
    come from the authorities, or be known as an app's own, or OpenSSL ends the handshake; whose it is, each
    request finds out.

    Raises:
        OperatorError: as `tls_context`, or there are no authorities in their file.
    """
    context = tls_context(files)
    context.verify_mode = ssl.CERT_OPTIONAL
    # An app's own certificate is believed as it is, whether or not it looks like an authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # No tickets: a handshake that is resumed looks at no certificate again, nor at what led up to it.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (ssl.SSLError, OSError) as error:
            message = f"tls: {files.client_ca} has no certificates in PEM"
            raise OperatorError(f"{message}: {error.strerror or error}") from error
    return context
