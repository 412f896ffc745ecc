"""The colours of the pages, computed from one accent colour.

The accent is shifted until its contrast with what it stands on passes WCAG 2.2 §1.4.3 (4.5:1 for text) in the
light scheme and in the dark one, and §1.4.6 (7:1) for whoever asks for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AA: Final = 4.5
AAA: Final = 7.0
ACCENT: Final = "#3056d3"
_LINEAR_BELOW: Final = 0.04045
"""Where the sRGB curve is a line (IEC 61966-2-1)."""

Rgb = tuple[int, int, int]
_BLACK: Final[Rgb] = (0, 0, 0)
_WHITE: Final[Rgb] = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one scheme, as hexadecimal. `accent` is for text, lines and the button's face."""

    page: str
    card: str
    ink: str
    quiet: str
    line: str
    edge: str
    accent: str
    accent_strong: str
    on_accent: str
    tint: str


def parse_color(text: str) -> Rgb:
    """``#rrggbb`` as numbers."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def luminance(color: Rgb) -> float:
    """Relative luminance (WCAG 2.2)."""

    def linear(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= _LINEAR_BELOW else float(((part + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(channel) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(parse_color(one)), luminance(parse_color(other))))
    return (high + 0.05) / (low + 0.05)


def mix(color: str, into: Rgb, share: float) -> str:
    """``color`` with ``share`` of another in it."""
    parts = (round(a + (b - a) * share) for a, b in zip(parse_color(color), into, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def legible(color: str, on: tuple[str, ...], *, ratio: float, towards: Rgb) -> str:
    """``color``, moved towards black or white only as far as ``ratio`` on each background demands."""
    for step in range(101):
        shifted = mix(color, towards, step / 100)
        if all(contrast(shifted, background) >= ratio for background in on):
            return shifted
    raise ValueError(f"no shade of {color} can be read on {', '.join(on)}")


def palette(accent: str, *, dark: bool) -> Palette:
    """The colours of one scheme around an accent."""
    page, card = ("#0f1115", "#181b21") if dark else ("#f3f4f7", "#ffffff")
    towards = _WHITE if dark else _BLACK
    tint = mix(accent, parse_color(card), 0.84 if dark else 0.92)
    face = legible(accent, (page, card, tint), ratio=AA, towards=towards)
    on_accent = max(("#ffffff", page if dark else "#111318"), key=lambda text: contrast(text, face))
    return Palette(
        page=page,
        card=card,
        ink="#eceef2" if dark else "#171a21",
        quiet="#a6adba" if dark else "#565d6b",
        line="#2c313a" if dark else "#e2e5eb",
        edge="#7a8290" if dark else "#868d9a",
        accent=face,
        accent_strong=legible(accent, (page, card, tint), ratio=AAA, towards=towards),
        on_accent=on_accent,
        tint=tint,
    )


def stylesheet_head(accent: str = ACCENT) -> str:
    """The custom properties that the style sheet stands on, for both schemes; paper is always light."""
    light, dark = palette(accent, dark=False), palette(accent, dark=True)
    more = "prefers-contrast:more"
    return (
        f":root{{color-scheme:light dark;{_properties(light)}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_properties(dark)}}}}}"
        f"@media({more}){{:root{{{_stronger(light, '#000000')}}}}}"
        f"@media screen and ({more}) and (prefers-color-scheme:dark){{:root{{{_stronger(dark, '#ffffff')}}}}}"
    )


def _properties(colors: Palette) -> str:
    return (
        f"--page:{colors.page};--card:{colors.card};--ink:{colors.ink};--quiet:{colors.quiet};"
        f"--line:{colors.line};--edge:{colors.edge};--accent:{colors.accent};"
        f"--on-accent:{colors.on_accent};--tint:{colors.tint}"
    )


def _stronger(colors: Palette, ink: str) -> str:
    on_accent = max(("#ffffff", "#000000"), key=lambda text: contrast(text, colors.accent_strong))
    return (
        f"--ink:{ink};--quiet:{ink};--line:{ink};--edge:{ink};"
        f"--accent:{colors.accent_strong};--on-accent:{on_accent}"
    )
