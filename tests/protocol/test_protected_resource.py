"""The document of an API, where it lies, and the challenge that leads there."""

from __future__ import annotations

import pytest

from broker.protocol.protected_resource import ProtectedResource

pytestmark = pytest.mark.standard("RFC 9728", "§2, §3.1 and §5.1 protected resource metadata")
ISSUER = "https://login.acme.example"


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://api.example", "/.well-known/oauth-protected-resource"),
        ("https://api.example/", "/.well-known/oauth-protected-resource"),
        ("https://api.example/notes", "/.well-known/oauth-protected-resource/notes"),
        ("https://api.example/a/b/", "/.well-known/oauth-protected-resource/a/b/"),
        ("http://127.0.0.1:8080/mcp", "/.well-known/oauth-protected-resource/mcp"),
    ],
)
def test_the_well_known_part_stands_before_the_path_of_the_api(resource: str, path: str) -> None:
    api = ProtectedResource(resource, [ISSUER])
    assert api.well_known == path
    assert api.metadata_url.endswith(path)
    assert api.document()["resource"] == resource


def test_the_document_says_what_is_so_and_nothing_empty() -> None:
    assert ProtectedResource("https://api.example/", [ISSUER]).document() == {
        "resource": "https://api.example/",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    }
    whole = ProtectedResource(
        "https://api.example/", [ISSUER], scopes=["notes.read"], name="Notes", dpop_required=True
    ).document()
    assert whole["scopes_supported"] == ["notes.read"]
    assert whole["resource_name"] == "Notes"
    assert whole["dpop_bound_access_tokens_required"] is True
    assert "ES256" in whole["dpop_signing_alg_values_supported"]


def test_a_challenge_leads_to_the_document() -> None:
    api = ProtectedResource("https://api.example/notes", [ISSUER])
    there = 'resource_metadata="https://api.example/.well-known/oauth-protected-resource/notes"'
    assert api.challenge() == f"Bearer {there}"
    assert api.challenge("insufficient_scope", scope="notes.write") == (
        f'Bearer {there}, error="insufficient_scope", scope="notes.write"'
    )
    assert api.challenge("insufficient_user_authentication", acr_values="gold", max_age=0) == (
        f'Bearer {there}, error="insufficient_user_authentication", acr_values="gold", max_age="0"'
    )
    assert api.challenge("invalid_token", 'say "this"\r\nX: y') == (
        f'Bearer {there}, error="invalid_token", error_description="say ?this???X: y"'
    )
    bound = ProtectedResource("https://api.example/notes", [ISSUER], dpop_required=True)
    assert bound.challenge().startswith(f"DPoP {there}")


@pytest.mark.parametrize(
    "resource",
    [
        "http://api.example/",
        "api.example",
        "https://",
        "https://api.example/#x",
        'https://api.example/"',
        "mailto:x",
    ],
)
def test_what_is_no_url_of_an_api_is_refused(resource: str) -> None:
    with pytest.raises(ValueError, match="protected resource"):
        ProtectedResource(resource, [ISSUER])
