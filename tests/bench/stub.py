"""The stub upstream: an OpenID Provider that answers from memory and signs RS256 ID Tokens.

    python -m tests.bench.stub PORT

Its authorization endpoint is never visited: the driver plays the browser and makes the code itself, which
is the nonce. So the token endpoint can say the right nonce without remembering anybody.
"""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs

import msgspec
import uvloop
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.bench.wire import Server

CLIENT_ID = "broker-at-stub"
CLIENT_SECRET = "bench-secret-of-the-broker-at-the-stub"
SUBJECTS = 1000


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Stub:
    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self._key = rsa.generate_private_key(65537, 2048)
        self._header = b64(b'{"alg":"RS256","kid":"stub-1","typ":"JWT"}')
        self._served = 0
        numbers = self._key.public_key().public_numbers()
        self._documents = {
            "/.well-known/openid-configuration": msgspec.json.encode(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/jwks",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                    "code_challenge_methods_supported": ["S256"],
                    "authorization_response_iss_parameter_supported": True,
                }
            ),
            "/jwks": msgspec.json.encode(
                {
                    "keys": [
                        {
                            "kty": "RSA",
                            "use": "sig",
                            "alg": "RS256",
                            "kid": "stub-1",
                            "n": b64(numbers.n.to_bytes(256, "big")),
                            "e": "AQAB",
                        }
                    ]
                }
            ),
        }

    def handle(self, method: str, target: str, body: bytes) -> tuple[int, str, bytes]:
        path = target.partition("?")[0]
        if method == "GET" and path in self._documents:
            return 200, "application/json", self._documents[path]
        if method == "POST" and path == "/token":
            return 200, "application/json", self._token(parse_qs(body.decode())["code"][0])
        return 404, "text/plain", b"no such page"

    def _token(self, nonce: str) -> bytes:
        now, self._served = int(time.time()), self._served + 1
        person = self._served % SUBJECTS
        access_token = f"at-{nonce}"
        claims = {
            "iss": self.issuer,
            "sub": f"person-{person}",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": nonce,
            "at_hash": b64(sha256(access_token.encode()).digest()[:16]),
            "name": f"Person {person}",
            "given_name": "Person",
            "family_name": str(person),
            "preferred_username": f"person{person}",
            "email": f"person{person}@acme.example",
            "email_verified": True,
            "groups": ["acme-staff", "acme-engineering"],
        }
        return msgspec.json.encode(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": "openid profile email",
                "id_token": self._sign(claims),
            }
        )

    def _sign(self, claims: dict[str, object]) -> str:
        signed = f"{self._header}.{b64(msgspec.json.encode(claims))}"
        return f"{signed}.{b64(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def private_pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


async def main(port: int) -> None:
    stub = Stub(port)
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(stub.handle), "127.0.0.1", port, backlog=512
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
