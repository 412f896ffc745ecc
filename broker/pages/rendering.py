"""Turns a view into a page: templates compiled at the start, one environment per language.

Owns `Pages`. A template sees a view and a handful of filters; autoescape is on and an unknown name is an
error, not an empty string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from broker.pages import safety, views, words
from broker.pages.colors import stylesheet_head
from broker.pages.files import StaticFile, StaticFiles

_HERE: Final = Path(__file__).parent
ICONS: Final = frozenset(path.stem for path in (_HERE / "static" / "icons").glob("*.svg"))
"""The names of the icons that a `Choice` may have."""

LOCALE: Final = _HERE / "locale"
_SHEETS: Final = ("page", "choose", "ask", "account")
"""The style sheets: what every page needs, and what only some do."""
SEARCH_FROM: Final = 9
"""From how many choices on there is a field to search them."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, ready to be answered. The status is the view's own affair: 200, or its ``status``."""

    html: bytes
    headers: Mapping[str, str]
    status: int = 200


class Pages:
    """All pages and the files they load; made once at the start, then only read."""

    def __init__(self, *, static_prefix: str = "/static", locale: Path = LOCALE) -> None:
        self._files = StaticFiles(static_prefix)
        self._icons = {
            path.stem: self._files.add(path.stem, ".svg", path.read_bytes())
            for path in sorted((_HERE / "static" / "icons").glob("*.svg"))
        }
        shared = {
            "styles": {name: self._sheet(name) for name in _SHEETS},
            "script_url": self._files.add("page", ".js", _without_remarks(_HERE / "static" / "page.js")),
            "favicon_url": self._icons["door"],
            "search_from": SEARCH_FROM,
            "person_limit": safety.PERSON_LIMIT,
            "messages": words.MESSAGES,
            "house": "",
        }
        self._languages = words.load_languages(locale)
        self._templates = {
            language.tag: self._compile(language, shared) for language in self._languages.values()
        }
        self._headers = safety.page_headers()

    def render(self, view: views.View, *, languages: Sequence[str] = ()) -> Page:
        """The page for a view, in the first of ``languages`` that there is a catalogue for.

        Raises:
            UnsafeAddressError: an address in the view is not one that may stand in a page.
        """
        language = words.choose_language(languages, self._languages)
        html = self._templates[language.tag][view.template].render(view=view)
        headers, status = self._headers, 200
        if isinstance(view, views.FormPostView):
            headers = safety.page_headers(_form_sources(view))
        elif isinstance(view, views.DepartureView):
            headers = safety.page_headers(safety.sources(view.action))
        elif isinstance(view, views.SignedOutView) and view.frames:
            headers = safety.page_headers(frames=safety.sources(*view.frames))
        elif isinstance(view, views.ErrorView | views.LoginView | views.DeviceCodeView):
            status = view.status
        return Page(html.encode("utf-8", "replace"), headers, status)

    def static(self, name: str) -> StaticFile | None:
        """The file of this hashed name, if there is one."""
        return self._files.get(name)

    def keep_image(self, path: str, body: bytes, content_type: str) -> None:
        """Serve a picture of the configuration at ``path``, the one that views name it by."""
        self._files.keep(path, body, content_type)

    def _compile(self, language: words.Language, shared: Mapping[str, Any]) -> Mapping[str, Template]:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        environment.policies["ext.i18n.trimmed"] = True
        translate = language.translations.gettext
        # `install_gettext_translations` is added by the extension at run time, unknown to the types.
        environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
        environment.globals.update(shared, lang=language.tag, dir=language.direction)
        environment.filters.update(
            app=safety.app_address,
            own=safety.own_address,
            web=safety.web_address,
            isolated=safety.isolated,
            host=safety.host_text,
            plain=safety.plain,
            # A sentence from Python is data to the template: translated, then escaped like everything else.
            said=translate,
            date=lambda instant: _date(instant, language),
            image=self._image,
        )
        names = environment.list_templates(filter_func=lambda name: not name.startswith("_"))
        return {name: environment.get_template(name) for name in names}

    def _sheet(self, name: str) -> str:
        """The path of a style sheet: the page's own has the colours before it."""
        style = _without_comments((_HERE / "static" / f"{name}.css").read_text("utf-8"))
        return self._files.add(name, ".css", ((stylesheet_head() if name == "page" else "") + style).encode())

    def _image(self, name: str | None) -> str | None:
        """The path of an icon by its name or of a file we serve; anything else is no image."""
        if name is None:
            return None
        return self._icons.get(name) or (name if self._files.serves(name) else None)


def _form_sources(view: views.FormPostView) -> str:
    web = (address for address in view.onward if address.startswith(("https://", "http://")))
    return safety.sources(view.action, *web)


def _date(instant: float, language: words.Language) -> Markup:
    """A day in words, for people; the exact one for machines (in UTC)."""
    day = datetime.fromtimestamp(instant, UTC)
    translate = language.translations.gettext
    month = translate(words.MONTHS[day.month - 1])
    text = translate(words.DATE) % {"day": day.day, "month": month, "year": day.year}
    return Markup('<time datetime="{}">{}</time>').format(day.date().isoformat(), text)


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
