"""The markers of the kit, for pytest: it finds this module by an entry point of the wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKERS = (
    "row(id): the row of the attack catalogue that this test proves",
    "standard(name, rule): the standard's rule that this test proves, as its section and some words",
    "proves(connector, what, against): what this test shows of a connector, in an operator's words",
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known, so that a run with ``--strict-markers`` takes them."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
