"""Crypto and kernel alone: what a login costs when nothing is computed but what must be.

    python -m tests.bench.floor '{"logins": 2000, "http_in": …, "http_out": …}'

Per login: 2 ES256 signatures and 1 RS256 verification with the raw library, and the bytes of 3 requests, 1
upstream exchange and 5 store commands through loopback sockets, against a peer in another process. 32 logins
go side by side; a command of all of them goes to the store in one write, as a pipelining client sends it.
Prints one line of JSON; the CPU is that of this process alone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

IN_FLIGHT = 32
REQUESTS, UPSTREAM, COMMANDS = 3, 1, 5
UPSTREAM_OUT, UPSTREAM_IN = 500, 1500
COMMAND_OUT, COMMAND_IN = 400, 200


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    for end in (one, other):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


def read(end: socket.socket, size: int) -> None:
    while size:
        size -= len(end.recv(size))


def exchanges(http_in: int, http_out: int) -> list[tuple[int, int, bool]]:
    """(bytes in, bytes out, all in one): what goes through the sockets for one login."""
    browser = [(http_in, http_out, False)] * REQUESTS
    return [
        *browser,
        *[(UPSTREAM_IN, UPSTREAM_OUT, False)] * UPSTREAM,
        *[(COMMAND_IN, COMMAND_OUT, True)] * COMMANDS,
    ]


def peer(ends: list[socket.socket], rounds: int, told: list[tuple[int, int, bool]]) -> None:
    """Plays the browsers, the upstream and the store: always a step ahead, so that nobody waits."""
    for _ in range(rounds):
        for ours, theirs, together in told:
            for end in ends[:1] if together else ends:
                end.sendall(bytes(ours * (len(ends) if together else 1)))
            for end in ends[:1] if together else ends:
                read(end, theirs * (len(ends) if together else 1))


def sockets(logins: int, http_in: int, http_out: int) -> float:
    pairs = [pair() for _ in range(IN_FLIGHT)]
    mine, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    rounds, told = logins // IN_FLIGHT, exchanges(http_in, http_out)
    child = os.fork()
    if child == 0:
        peer(theirs, rounds, told)
        os._exit(0)
    began = time.process_time()
    for _ in range(rounds):
        for received, sent, together in told:
            for end in mine[:1] if together else mine:
                read(end, received * (IN_FLIGHT if together else 1))
            for end in mine[:1] if together else mine:
                end.sendall(bytes(sent * (IN_FLIGHT if together else 1)))
    spent = time.process_time() - began
    os.waitpid(child, 0)
    for end in (*mine, *theirs):
        end.close()
    return spent


def crypto(logins: int) -> float:
    ours = ec.generate_private_key(ec.SECP256R1())
    theirs = rsa.generate_private_key(65537, 2048)
    message, es256 = bytes(500), ec.ECDSA(hashes.SHA256())
    signature = theirs.sign(message, padding.PKCS1v15(), hashes.SHA256())
    public = theirs.public_key()
    began = time.process_time()
    for _ in range(logins):
        ours.sign(message, es256)
        ours.sign(message, es256)
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    return time.process_time() - began


def main(told: dict[str, int]) -> None:
    logins = told["logins"]
    each = 1e6 / logins
    crypto_us = min(crypto(logins) for _ in range(3)) * each
    sockets_us = min(sockets(logins, told["http_in"], told["http_out"]) for _ in range(3)) * each
    sys.stdout.write(json.dumps({"crypto": crypto_us, "sockets": sockets_us}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
