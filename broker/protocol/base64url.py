"""Base64url without padding, as the standards write bytes (RFC 7515 §2; RFC 4648 §5)."""

from base64 import urlsafe_b64encode


def encoded(data: bytes) -> str:
    """These bytes as text that a URL takes as it is."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
