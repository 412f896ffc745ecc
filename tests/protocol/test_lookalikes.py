"""Names that can be taken for each other."""

from __future__ import annotations

import pytest

from broker.protocol.lookalikes import looks, skeleton, taken_for

pytestmark = pytest.mark.row("RG-11")


@pytest.mark.parametrize(
    "name",
    [
        "Billing",
        "BILLING",
        " bil-ling ",
        "B1ll1ng",
        "Віӏlіng",
        "Bill\u200bing",
        "Ｂilling",
        "Bïllïng",
        "Biⅼⅼing",
        "B|lling",
    ],
)
def test_what_looks_alike_is_found(name: str) -> None:
    assert taken_for(name, looks(["Wiki", "Billing"])) == "Billing"


@pytest.mark.parametrize("name", ["Bill", "Billings", "Filling", "", "—", "請求"])
def test_what_does_not_is_not(name: str) -> None:
    assert taken_for(name, looks(["Wiki", "Billing"])) is None


def test_letters_that_run_together_are_seen() -> None:
    assert skeleton("Modern") == skeleton("Modem")
    assert skeleton("請求") != skeleton("")


def test_of_several_that_look_alike_the_first_is_named() -> None:
    assert taken_for("billing", looks(["B1lling", "Billing", "Wiki"])) == "B1lling"
