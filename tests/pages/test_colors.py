"""No accent colour makes a page that cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.pages.colors import ACCENT, contrast, palette, stylesheet_head

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#3056d3", "#3056d3") == 1


@given(COLORS, st.booleans())
def test_any_accent_can_be_read_in_both_schemes(accent, dark):
    colors = palette(accent, dark=dark)
    for background in (colors.page, colors.card, colors.tint):
        for text in (colors.ink, colors.quiet, colors.accent):
            assert contrast(text, background) >= 4.5
        assert contrast(colors.accent_strong, background) >= 7
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    for background in (colors.page, colors.card):
        assert contrast(colors.edge, background) >= 3


@pytest.mark.parametrize("dark", [False, True])
def test_an_accent_that_can_be_read_already_is_left_as_it_is(dark):
    accent = "#9db4ff" if dark else ACCENT
    assert palette(accent, dark=dark).accent == accent


def test_the_style_sheet_knows_four_situations():
    head = stylesheet_head()
    assert head.count(":root{") == 4
    assert head.count("prefers-contrast:more") == 2
    assert ")and(" not in head  # that would be a function, and the rule ignored
    assert head.count("{") == head.count("}")
