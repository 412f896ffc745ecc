"""What stops the start, or a command, when it is about signing keys."""

from __future__ import annotations

from broker.jose import JoseError


class KeysMisconfigured(JoseError):
    """The signing keys cannot work as they are configured or stored; the message is for the operator."""

    def __init__(self, message: str) -> None:
        super().__init__("keys_misconfigured", message)
