"""What a fake provider remembers: the requests that came in, and what a code stands for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Seen:
    """A request that came in."""

    endpoint: str
    method: str
    headers: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]
    path: str = ""
    """With its query."""


@dataclass
class Code:
    """What a code, or a refresh token, stands for."""

    asked: dict[str, str]
    person: str
    auth_time: int
    redeemed: bool = False
