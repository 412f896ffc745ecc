"""Tests of one ``xdist_group`` stay on one worker, so that what they share is started once.

xdist 3.8 writes the group behind the name of a test, where pytest 9.2 does not look any more. Here it is put
where pytest does look; once xdist does so itself, nothing is left to do here.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After xdist."""
    for item in items:
        named = getattr(item, "_nodeid", item.nodeid)
        if named != item.nodeid:
            item._id = type(item._id).parse(named)
