"""One language as a page speaks it: the catalogue, the operator's own words, dates.

Owns how a sentence that is data is translated: first by the words that the operator gave for this language,
then by the catalogue. Dates need no library: their parts are in the catalogue, in the order of the language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from gettext import NullTranslations
from typing import Final

from broker.pages.words import ACCOUNT, AGO, DATE, MONTHS, NOW, Language

_VALUE: Final = "{value}"
"""What stands in a dynamic scope's words for its last segment."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DAYS_COUNTED: Final = 7


@dataclass(frozen=True, slots=True)
class Speech:
    """A language, and what the operator says in it."""

    language: Language
    own: Mapping[str, str] = field(default_factory=dict)
    """The operator's default words → their words in this language."""

    @property
    def translations(self) -> NullTranslations:
        """The catalogue."""
        return self.language.translations

    def said(self, sentence: str) -> str:
        """A sentence in this language, as far as anybody has said it."""
        own = self._own(sentence)
        if own is not None or not sentence:  # the empty sentence is the catalogue's own head
            return own or ""
        return self.translations.gettext(sentence)

    def called(self, name: str) -> str:
        """A name in this language, where the operator said it so; of ours there is one."""
        if name == ACCOUNT and name not in self.own:
            return self.translations.gettext(name)
        return self.own.get(name, name)

    def day(self, instant: float) -> str:
        """A day (in UTC)."""
        day = datetime.fromtimestamp(instant, UTC)
        month = self.translations.gettext(MONTHS[day.month - 1])
        return self.translations.gettext(DATE) % {"day": day.day, "month": month, "year": day.year}

    def ago(self, instant: float, now: float) -> str:
        """How long ago, counted in the largest unit that is not nothing; from a week on the day."""
        seconds = int(now - instant)
        if seconds < _MINUTE:
            return self.translations.gettext(NOW)
        if seconds >= _DAYS_COUNTED * _DAY:
            return self.day(instant)
        unit = next(unit for unit in (_DAY, _HOUR, _MINUTE) if seconds >= unit)
        one, many = AGO[unit]
        count = seconds // unit
        return self.translations.ngettext(one, many, count) % {"count": count}

    def _own(self, sentence: str) -> str | None:
        if sentence in self.own or not self.own:
            return self.own.get(sentence)
        # A dynamic scope's value is in its words already.
        for theirs, ours in self.own.items():
            before, found, after = theirs.partition(_VALUE)
            if found and (match := re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", sentence)):
                return ours.replace(_VALUE, match[1])
        return None
