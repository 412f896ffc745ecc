"""The templates, compiled once for the whole process: which language and which theme, each page says itself.

Owns the environment and its filters. Autoescape is on, and an unknown name is an error, not an empty string.
What differs between issuers and languages comes with the page, as `words` and `image`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from broker.pages import safety
from broker.pages.speech import Speech

TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def templates() -> Mapping[str, Template]:
    """Every page's template by its name."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    # Known to the extension only: {% trans %} then hands its variables to the functions below.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    environment.globals.update(gettext=_gettext, ngettext=_ngettext)
    environment.filters.update(
        app=safety.app_address,
        own=safety.own_address,
        web=safety.web_address,
        isolated=safety.isolated,
        host=safety.host_text,
        plain=safety.plain,
        said=_said,
        called=_called,
        date=_date,
        ago=_ago,
        image=_image,
    )
    names = environment.list_templates(filter_func=lambda name: not name.startswith("_"))
    return {name: environment.get_template(name) for name in names}


def _words(context: Context) -> Speech:
    words: Speech = context["words"]
    return words


@pass_context
def _gettext(context: Context, sentence: str, /, **variables: Any) -> Markup:
    """A sentence of a template. It is ours, and so markup; what stands in it is not, and escaped."""
    return Markup(_words(context).translations.gettext(sentence)) % variables  # noqa: S704  (ours)


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int, /, **variables: Any) -> Markup:
    variables.setdefault("num", count)
    return Markup(_words(context).translations.ngettext(one, many, count)) % variables  # noqa: S704


@pass_context
def _said(context: Context, sentence: str) -> str:
    """A sentence from Python or from the operator: data, translated and then escaped like everything else."""
    return _words(context).said(sentence)


@pass_context
def _called(context: Context, name: str) -> str:
    """A name that the operator gave, in the words that they chose for this language."""
    return _words(context).called(name)


@pass_context
def _date(context: Context, instant: float) -> Markup:
    """A day in words, for people; the exact one for machines (in UTC)."""
    return _time(instant, _words(context).day(instant))


@pass_context
def _ago(context: Context, instant: float, now: float) -> Markup:
    """How long ago in words, and from a week on the day."""
    return _time(instant, _words(context).ago(instant, now))


def _time(instant: float, text: str) -> Markup:
    exact = datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}">{}</time>').format(exact, text)


@pass_context
def _image(context: Context, name: str | None) -> str | None:
    path: str | None = context["image"](name)
    return path
