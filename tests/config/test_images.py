"""Logos and icons: what is taken as a picture, and where it is served."""

import pytest

from tests.config.desk import SOUND, Desk

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"


PNG = png(200, 80)


def with_logo(name: str) -> str:
    return SOUND + f"    logo: {name}\n"


def test_a_picture_is_served_under_a_name_made_of_its_content(desk: Desk) -> None:
    desk.write("a.svg", SVG)
    desk.write("b.png", PNG)
    text = with_logo("a.svg").replace("    client_id", "    icon: b.png\n    client_id", 1)
    config = desk.load(text)
    logo, icon = config.clients_by_id["billing"].logo, config.connectors["staff"].icon
    assert logo is not None
    assert icon is not None
    assert logo.startswith("/static/images/")
    assert logo.endswith(".svg")
    assert (config.images[logo].content, config.images[logo].media_type) == (SVG.encode(), "image/svg+xml")
    assert (config.images[icon].content, config.images[icon].media_type) == (PNG, "image/png")
    desk.write("a.svg", SVG.replace("/>", "></svg>"))
    assert desk.load(text).clients_by_id["billing"].logo != logo


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "cannot read the file: No such file or directory"),
        (b"", "is neither SVG nor PNG"),
        (b"GIF89a", "is neither SVG nor PNG"),
        (b"<html><svg></svg></html>", "is neither SVG nor PNG"),
        (PNG + b"\0" * 65536, "larger than 64 kB"),
        (PNG[:10], "is no whole PNG"),
        (png(0, 80), "is no whole PNG"),
        (PNG.replace(b"IHDR", b"IDAT"), "is no whole PNG"),
        (b"<svg><script>alert(1)</script></svg>", "an SVG with scripts or event handlers is not served"),
        (b"<svg onload = 'alert(1)'></svg>", "an SVG with scripts or event handlers is not served"),
        (b"<svg><a href='javascript:x'/></svg>", "an SVG with scripts or event handlers is not served"),
    ],
)
def test_what_is_no_picture_is_refused_where_it_is_named(desk: Desk, data: bytes | None, said: str) -> None:
    if data is not None:
        desk.write("a.svg", data)
    assert desk.mistakes(with_logo("a.svg")) == [f"broker.yaml:13:11: clients.billing.logo: {said}"]


@pytest.mark.parametrize(
    "head", ["\ufeff", '<?xml version="1.0"?>\n', "<!-- made by hand -->\n", "<!DOCTYPE svg>\n"]
)
def test_what_stands_before_the_picture_is_no_hindrance(desk: Desk, head: str) -> None:
    desk.write("a.svg", head + SVG)
    assert desk.mistakes(with_logo("a.svg")) == []


@pytest.mark.parametrize(
    ("name", "data", "ratio"),
    [
        ("a.png", PNG, 2.5),
        ("a.svg", b'<svg width="120" height="36"/>', 120 / 36),
        (
            "a.svg",
            b"<svg xmlns='urn:x' height='2cm' width = '5cm' viewBox='0 0 9 1'/>",
            2.5,
        ),
        ("a.svg", b'<?xml version="1.0"?>\n<svg:svg xmlns:svg="a>b"\n  viewBox="0 0 120, 36.5">', 120 / 36.5),
        ("a.svg", b'<svg width="100%" height="2em" viewBox="-1 -1 8 4">', 2.0),
        ("a.svg", b'<svg width="1e2" height=".5" viewBox="0 0 8 4">', 200.0),
        ("a.svg", b'<svg width="0" height="10" viewBox="0 0 8 4">', 2.0),
        ("a.svg", b'<svg viewBox="0 0 0 4">', 2.0),
        ("a.svg", b'<svg viewBox="none"><rect width="7" height="1"/></svg>', 2.0),
        ("a.svg", b"<svg>", 2.0),
    ],
)
def test_a_page_knows_how_wide_a_picture_is_for_its_height(
    desk: Desk, name: str, data: bytes, ratio: float
) -> None:
    desk.write(name, data)
    config = desk.load(with_logo(name))
    logo = config.clients_by_id["billing"].logo
    assert logo is not None
    assert config.images[logo].ratio == pytest.approx(ratio)
