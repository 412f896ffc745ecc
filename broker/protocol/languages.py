"""The languages that our pages speak, as BCP 47 tags: metadata, configuration and catalogues agree on it."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("ar", "de", "en", "es", "fr", "ja")
SOURCE: Final = "en"
"""The one they are written in; who reads none of the others gets it."""
