"""The page about routing is true: its example is loaded, and each row of its table is asked of a broker."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import yaml

from broker.config import StoreConfig
from broker.endpoints.choosing import SEARCH_FROM, SHOWN
from broker.outbound.breaker import FAILURES, FIRST_PAUSE, LONGEST_ASKED, LONGEST_PAUSE
from tests.config.desk import Desk
from tests.fakes.provider import FakeProvider
from tests.flow.broker import running_broker
from tests.flow.test_routing import at_once, offered

PAGE = (Path(__file__).parents[2] / "docs" / "routing.md").read_text("utf-8")
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
ROWS = re.findall(r"^\| `([^`|]+=[^`|]+)` \| ([^|]+) \|$", PAGE, re.MULTILINE)
SECRETS = dict.fromkeys(re.findall(r"\$\{(\w+)\}", EXAMPLE), "a-secret-of-some-length")


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    config = desk.load(f"issuer: https://login.example\nstate_dir: state\n{EXAMPLE}", SECRETS)
    assert list(config.connectors) == ["acme", "research", "partners", "guests"]


async def test_each_row_of_the_table_is_so(store_config: StoreConfig, tmp_path: Path) -> None:
    assert len(ROWS) == 10
    written = yaml.safe_load(EXAMPLE)
    async with FakeProvider.running() as idp:
        idp.person("ada", name="Ada Example")
        entries = {
            name: {**entry, "issuer": idp.issuer, "client_secret": idp.client_secret}
            for name, entry in written["connectors"].items()
        }
        async with running_broker(
            idp,
            store_config,
            tmp_path,
            connectors=entries,
            client={"connectors": list(entries)},
            top={"routing": written["routing"]},
        ) as broker:
            for asked, comes_to in ROWS:
                async with broker.browser() as browser:
                    params = dict(parse_qsl(asked))
                    if not comes_to.startswith("the chooser"):
                        assert await at_once(browser, **params) == comes_to, asked
                        continue
                    assert await at_once(browser, **params) == "", asked
                    named = re.findall(r"\b(acme|research|partners|guests)\b", comes_to)
                    assert offered(await browser.authorize(**params)) == (named or list(entries)), asked


@pytest.mark.parametrize(
    ("number", "said", "words"),
    [
        (FAILURES, 5, "Five calls in a row"),
        (FIRST_PAUSE, 2, "for 2 seconds at first"),
        (LONGEST_PAUSE, 60, "at most for a minute"),
        (LONGEST_ASKED, 300, "can make it up to five"),
        (SEARCH_FROM, 9, "From nine on"),
        (SHOWN, 10, "it shows ten"),
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_code(number: float, said: int, words: str) -> None:
    assert number == said
    assert words in " ".join(PAGE.split())
