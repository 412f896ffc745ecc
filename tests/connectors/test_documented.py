"""Each kind of connector comes with a map, an icon, and a page whose example is loaded as it stands."""

import re
from pathlib import Path

import pytest

from broker.config import load
from broker.config.connectors import installed

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in ROOT.glob("docs/connectors/*.md") if path.stem != "README")
TYPES = sorted(name for name, module in installed().items() if module.startswith("connectors."))
EXAMPLE = re.compile(r"```yaml\n(connectors:\n.*?)```", re.DOTALL)
NAME = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
REST = """
issuer: https://login.acme.example
state_dir: state
clients:
  app:
    client_name: App
    client_secret: 0123456789abcdefghijklmnopqrstuvwxyz
    redirect_uris: [https://app.example/]
"""


def example_of(page: Path) -> str:
    found = EXAMPLE.findall(page.read_text(encoding="utf-8"))
    assert len(found) == 1, page.name
    return found[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_of_a_page_is_a_configuration(page, tmp_path):
    example = example_of(page)
    written = tmp_path / "broker.yaml"
    written.write_text(REST + example, encoding="utf-8")
    environ = {name: "s" * 43 if "SECRET" in name else "ABCDE12345" for name in NAME.findall(example)}
    config = load(written, environ)
    assert page.stem in {connector.type for connector in config.connectors.values()}


@pytest.mark.parametrize("kind", TYPES)
def test_a_kind_of_connector_has_a_page_a_map_and_an_icon(kind):
    parts = (
        f"docs/connectors/{kind}.md",
        f"connectors/claims/{kind}.yaml",
        f"broker/pages/static/icons/{kind}.svg",
    )
    assert [part for part in parts if not (ROOT / part).is_file()] == []
