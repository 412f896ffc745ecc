"""For an API: the document that says who issues tokens for it, and the challenge that leads there.

Nothing but the standard library, and nothing of the broker's: an API imports it, or takes it along as a file.
RFC 9728 §2 and §3 (the document and where it lies), §5.1 (``resource_metadata`` in the challenge); RFC 6750
§3; RFC 9449 §7.1 (DPoP); RFC 9470 §3 (a stronger sign-in). An app that knows nothing but the API's URL finds
its way from there to a token:

    api = ProtectedResource("https://api.acme.example/notes", ["https://login.acme.example"])
    api.well_known     the path of the document: /.well-known/oauth-protected-resource/notes
    api.document()     what is answered there, as application/json
    api.challenge()    the WWW-Authenticate of a 401
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_TELLABLE: Final = frozenset(chr(code) for code in range(0x20, 0x7F)) - {'"', "\\"}  # RFC 6750 §3
_BOUND: Final = ("ES256", "EdDSA", "PS256", "RS256")


class ProtectedResource:
    """One API, as apps know it."""

    def __init__(
        self,
        resource: str,
        authorization_servers: Sequence[str],
        *,
        scopes: Sequence[str] = (),
        name: str | None = None,
        documentation: str | None = None,
        dpop: bool = False,
        dpop_required: bool = False,
    ) -> None:
        """What the document says.

        Args:
            resource: the API's URL, which tokens name in ``aud`` and apps in ``resource``.
            authorization_servers: the issuers whose tokens it takes.
            scopes: those that it understands.
            name: what people know it as.
            documentation: a page for developers.
            dpop: whether it checks proofs of possession.
            dpop_required: whether it takes nothing else.

        Raises:
            ValueError: this is no URL of an API: https (or http on loopback), without fragment (§1.2).
        """
        split = urlsplit(resource)
        loopback = split.hostname in ("127.0.0.1", "::1", "localhost")
        if split.scheme != "https" and not (split.scheme == "http" and loopback):
            raise ValueError("a protected resource is an https URL")
        if not split.netloc or "#" in resource or not set(resource) <= _TELLABLE:
            raise ValueError("a protected resource is an absolute URL without a fragment")
        self.resource, self.authorization_servers = resource, tuple(authorization_servers)
        self.scopes, self.name, self.documentation = tuple(scopes), name, documentation
        self.dpop, self.dpop_required = dpop or dpop_required, dpop_required
        self._origin, self._path = f"{split.scheme}://{split.netloc}", split.path
        self._query = f"?{split.query}" if split.query else ""

    @property
    def well_known(self) -> str:
        """The path of the document: before that of the API, whose last slash alone is no path (§3.1)."""
        return WELL_KNOWN + ("" if self._path == "/" else self._path)

    @property
    def metadata_url(self) -> str:
        """Where apps find the document."""
        return self._origin + self.well_known + self._query

    def document(self) -> dict[str, Any]:
        """The metadata of the resource (§2)."""
        said: dict[str, Any] = {
            "resource": self.resource,
            "authorization_servers": list(self.authorization_servers),
            "bearer_methods_supported": ["header"],
        }
        if self.scopes:
            said["scopes_supported"] = list(self.scopes)
        if self.name is not None:
            said["resource_name"] = self.name
        if self.documentation is not None:
            said["resource_documentation"] = self.documentation
        if self.dpop:
            said["dpop_signing_alg_values_supported"] = list(_BOUND)
            said["dpop_bound_access_tokens_required"] = self.dpop_required
        return said

    def challenge(
        self,
        error: str = "",
        description: str = "",
        *,
        scope: str = "",
        scheme: str = "",
        acr_values: str = "",
        max_age: int | None = None,
    ) -> str:
        """The ``WWW-Authenticate`` of a refusal.

        Args:
            error: ``invalid_token`` or ``insufficient_scope``; nothing where nobody tried (RFC 6750 §3.1).
                ``insufficient_user_authentication`` where the person must sign in anew (RFC 9470 §3).
            description: a sentence for the app's developer.
            scope: what would be needed.
            scheme: ``Bearer`` or ``DPoP``; without it as the API wants it.
            acr_values: how strong the sign-in must be.
            max_age: how many seconds it may be old.
        """
        scheme = scheme or ("DPoP" if self.dpop_required else "Bearer")
        said = [("resource_metadata", self.metadata_url), ("error", error)]
        said += [("error_description", description), ("scope", scope), ("acr_values", acr_values)]
        if max_age is not None:
            said.append(("max_age", str(max_age)))
        if scheme == "DPoP":
            said.append(("algs", " ".join(_BOUND)))
        parts = [f'{name}="{_told(value)}"' for name, value in said if value]
        return f"{scheme} {', '.join(parts)}"


def _told(text: str) -> str:
    return "".join(char if char in _TELLABLE else "?" for char in text)
