"""Who can log in at the upstreams of these tests, and what each upstream knows of them."""

from __future__ import annotations

from typing import Any

PANVA: dict[str, dict[str, Any]] = {
    "ada": {
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "preferred_username": "ada",
        "email": "ada@engines.example",
        "email_verified": True,
        "groups": ["engines", "letters"],
    },
    "grace": {
        "name": "Grace Hopper",
        "given_name": "Grace",
        "family_name": "Hopper",
        "preferred_username": "grace",
        "email": "grace@navy.example",
        "email_verified": False,
        "groups": ["navy"],
    },
}
