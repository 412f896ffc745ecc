"""Files are served under names that change with them, and only they."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from broker import pages as package
from broker.pages import ICONS, Pages
from broker.pages.files import StaticFiles

ICON_FOLDER = Path(package.__file__).parent / "static" / "icons"


def test_a_file_has_the_same_name_in_every_process_and_another_when_it_changes():
    assert Pages()._files._files.keys() == Pages()._files._files.keys()
    files = StaticFiles("/static")
    first = files.add("page", ".css", b"a{}")
    assert files.add("page", ".css", b"a{}") == first
    assert files.add("page", ".css", b"b{}") != first


def test_a_file_is_kept_for_ever_and_may_do_nothing():
    pages = Pages()
    for name in pages._files._files:
        file = pages.static(name)
        assert file is not None
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in file.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name", ["", "page.css", "../page.css", "icons/oidc.svg", "/etc/passwd", "..", "%2e%2e"]
)
def test_a_name_that_was_not_given_out_is_nothing(name):
    assert Pages().static(name) is None


def test_an_image_of_the_configuration_is_served_by_us():
    pages = Pages(base="/t/acme")
    pages.keep_image(
        "/t/acme/static/images/a1.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"
    )
    file = pages.static("images/a1.svg")
    assert file is not None
    assert file.content_type == "image/svg+xml"
    assert file.body.startswith(b"<svg")


def test_every_connector_of_ours_has_an_icon():
    assert {"oidc", "auth0", "okta", "keycloak", "door"} <= ICONS


@pytest.mark.parametrize("icon", sorted(ICONS))
def test_an_icon_is_a_small_drawing_without_script_or_style(icon):
    source = (ICON_FOLDER / f"{icon}.svg").read_text("utf-8")
    tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(source).iter()}
    assert tags <= {"svg", "g", "rect", "circle", "path"}
    assert len(source) < 600
