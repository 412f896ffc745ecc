"""The examples of docs/write-a-connector.md, written down as the files that it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "write-a-connector.md"
FILES = {
    "mycompany/forge.py": '"""Forge speaks',
    "mycompany/acme.py": '"""Acme ID:',
    "test_acme.py": "class TestAcme(",
    "test_forge.py": "class TestForge(",
    "test_more_of_acme.py": "async def test_people_of_other",
}
"""Each file, and words of its example alone."""


def write_examples(folder: Path) -> None:
    """Every example of the page as a file under this folder."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "mycompany").mkdir()
    (folder / "mycompany" / "__init__.py").write_text("")
    for name, words in FILES.items():
        (block,) = [block for block in blocks if words in block]
        (folder / name).write_text(block, encoding="utf-8")
