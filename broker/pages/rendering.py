"""Turns a view into a page: in the person's language, in the theme of the app it is about.

Owns `Pages`, which one issuer has: its files, its themes and the words of its operator. The templates are the
same for all issuers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from broker.config import Theme
from broker.pages import safety, themes, views, words
from broker.pages.files import StaticFile, StaticFiles
from broker.pages.speech import Speech
from broker.pages.templating import templates

_HERE: Final = Path(__file__).parent
ICONS: Final = frozenset(path.stem for path in (_HERE / "static" / "icons").glob("*.svg"))
"""The names of the icons that a `Choice` may have."""

LOCALE: Final = _HERE / "locale"
CREST_HEIGHT: Final = 36
CREST_WIDTH: Final = 160
"""How high the house's picture is, and how wide at most, in CSS pixels."""
_SHEETS: Final = ("page", "choose", "form", "ask", "account")
"""The style sheets: what every page needs, and what only some do."""


_NOT_FOUND_AGAIN: Final = (
    views.BounceView,
    views.DepartureView,
    views.ErrorView,
    views.FormPostView,
    views.LeavingView,
    views.OnwardView,
)
"""Pages that nobody stays on, or whose address must not be asked for twice."""

_SCRIPTS: Final = ("page", "choose")

_OPENED_BY_NOBODY: Final = (
    views.AccountView,
    views.DeviceCodeView,
    views.DeviceConfirmView,
    views.DeviceDoneView,
)
"""Pages that no app opens in a window of its own and waits for."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, ready to be answered. The status is the view's own affair: 200, or its ``status``."""

    html: bytes
    headers: Mapping[str, str]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Switch:
    """The way to another language: a link for each, to a path of ours that remembers it and comes back."""

    action: str
    back: str
    """The path and query of this page."""
    instead_of: str = ""
    """The language that the app asked for, where that is why the page is in it."""


class Pages:
    """All pages of one issuer and the files they load; made once at the start, then only read."""

    def __init__(
        self,
        *,
        base: str = "",
        locale: Path = LOCALE,
        theme: Theme = Theme(),  # noqa: B008  (frozen)
        client_themes: Mapping[str, Theme] | None = None,
        said: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Read everything that a page needs.

        Args:
            base: the path of the issuer, behind which our own paths stand.
            locale: the folder of the catalogues.
            theme: how the pages look.
            client_themes: how they look for an app, by its client_id.
            said: what the operator says in other languages: language → their default words → those words.
        """
        self._files = StaticFiles(f"{base}/static")
        self._ratios: dict[str, float] = {}
        self._icons = {
            path.stem: self._files.add(path.stem, ".svg", path.read_bytes())
            for path in sorted((_HERE / "static" / "icons").glob("*.svg"))
        }
        self._shared = self._for_every_page(theme)
        self._wardrobe = themes.Wardrobe(theme, client_themes or {}, self._files, base)
        self._languages = words.load_languages(locale)
        self._speeches = {
            language.tag: Speech(language, (said or {}).get(language.tag.lower(), {}))
            for language in self._languages.values()
        }
        self._templates = templates()
        self._headers = safety.page_headers()
        self._alone = safety.page_headers(alone=True)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the pages speak, as BCP 47 tags."""
        return tuple(self._speeches)

    def language_of(self, wanted: Sequence[str]) -> str:
        """The language a page is in for who wants these, best first."""
        return words.choose_language(wanted, self._languages).tag

    def speaks(self, wanted: Sequence[str]) -> str | None:
        """The first of these languages that the pages speak, if there is one."""
        found = words.first_of(wanted, self._languages)
        return None if found is None else found.tag

    def said(self, sentence: str, language: str) -> str:
        """A sentence of the operator's or a standard scope's, as the pages say it in a language."""
        return self._speeches[language].said(sentence)

    def render(
        self, view: views.View, *, languages: Sequence[str] = (), switch: Switch | None = None
    ) -> Page:
        """The page for a view, in the first of ``languages`` that there is a catalogue for.

        Raises:
            UnsafeAddressError: an address in the view is not one that may stand in a page.
        """
        language = words.choose_language(languages, self._languages)
        switch = None if isinstance(view, _NOT_FOUND_AGAIN) else switch
        html = self._templates[view.template].render(
            self._shared,
            view=view,
            words=self._speeches[language.tag],
            lang=language.tag,
            dir=language.direction,
            theme=self._wardrobe.dress(getattr(view, "client_id", None)),
            languages=self._others(switch) if switch is not None else (),
        )
        return Page(html.encode("utf-8", "replace"), self._headers_of(view), getattr(view, "status", 200))

    def static(self, name: str) -> StaticFile | None:
        """The file of this hashed name, if there is one."""
        return self._files.get(name)

    def keep_image(self, path: str, body: bytes, content_type: str, ratio: float = 1) -> None:
        """Serve a picture of the configuration at ``path``, the one that views and themes name it by.

        Args:
            path: the issuer's own path before it.
            body: the picture.
            content_type: as it is served.
            ratio: its width over its height.
        """
        self._files.keep(path, body, content_type)
        self._ratios[path] = ratio

    def _for_every_page(self, theme: Theme) -> Mapping[str, Any]:
        look = themes.head(theme.accent, theme.radius)
        return {
            "styles": {name: self._sheet(name, look if name == "page" else "") for name in _SHEETS},
            "scripts": {
                name: self._files.add(name, ".js", _without_remarks(_HERE / "static" / f"{name}.js"))
                for name in _SCRIPTS
            },
            "favicon_url": self._icons["door"],
            "person_limit": safety.PERSON_LIMIT,
            "messages": words.MESSAGES,
            "house": theme.name,
            "image": self._image,
            "crest_height": CREST_HEIGHT,
            "crest_width": self._crest_width,
        }

    def _headers_of(self, view: views.View) -> Mapping[str, str]:
        if isinstance(view, views.FormPostView):
            return safety.page_headers(_form_sources(view))
        if isinstance(view, views.DepartureView):
            return safety.page_headers(safety.sources(view.action))
        if isinstance(view, views.SignedOutView) and view.frames:
            return safety.page_headers(frames=safety.sources(*view.frames))
        return self._alone if isinstance(view, _OPENED_BY_NOBODY) else self._headers

    def _others(self, switch: Switch) -> tuple[tuple[str, str, str], ...]:
        """Each language: its tag, its own name for itself, and the link to it."""
        asked = {"back": switch.back} | ({"instead_of": switch.instead_of} if switch.instead_of else {})
        rest = urlencode(asked)
        return tuple(
            (language.tag, language.name, f"{switch.action}?to={language.tag}&{rest}")
            for language in self._languages.values()
        )

    def _sheet(self, name: str, look: str) -> str:
        style = _without_comments((_HERE / "static" / f"{name}.css").read_text("utf-8"))
        return self._files.add(name, ".css", (look + style).encode())

    def _image(self, name: str | None) -> str | None:
        """The path of an icon by its name or of a file we serve; anything else is no image."""
        if name is None:
            return None
        return self._icons.get(name) or (name if self._files.serves(name) else None)

    def _crest_width(self, path: str) -> int:
        """How wide the house's picture will be, in CSS pixels, so that nothing moves when it comes."""
        return round(min(CREST_HEIGHT * self._ratios.get(path, 1), CREST_WIDTH))


def _form_sources(view: views.FormPostView) -> str:
    web = (address for address in view.onward if address.startswith(("https://", "http://")))
    return safety.sources(view.action, *web)


def _without_remarks(script: Path) -> bytes:
    """The script as it is sent: lines that are remarks are for us, indentation too."""
    lines = (line.strip() for line in script.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()


def _without_comments(style: str) -> str:
    """The style sheet as it is sent: comments are for us, indentation too."""
    kept: list[str] = []
    for part in style.split("/*"):
        kept.append(part.partition("*/")[2] if kept else part)
    return "".join(line.strip() for line in "".join(kept).splitlines())
