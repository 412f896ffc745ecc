"""Languages, as BCP 47 tags: the ones that our pages speak, and what may be one at all."""

from __future__ import annotations

import re
from typing import Final

LANGUAGES: Final = ("ar", "de", "en", "es", "fr", "ja")
SOURCE: Final = "en"
"""The one they are written in; who reads none of the others gets it."""
TAG: Final = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}")
"""What may be a language at all (RFC 5646 §2.1, as far as its shape goes)."""
