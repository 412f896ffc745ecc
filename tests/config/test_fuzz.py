"""Whatever is in the file, the answer is a configuration or a list of mistakes."""

import tempfile
from pathlib import Path

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.config import ConfigError
from broker.config.written import BrokerFile
from broker.config.written_client import ClientEntry
from broker.config.written_connector import ConnectorEntry
from tests.config.desk import SOUND, TYPE, Desk

WORDS = sorted(
    {*BrokerFile.model_fields, *ClientEntry.model_fields, *ConnectorEntry.model_fields, "fixed", "url"}
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["${X}", "${", "file:x", "unix:", TYPE, "oidc", "https://a.example", "5m", "embedded", "10.0.0.0/8"]
    ),
)
TREES = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=8), below, max_size=6)
    ),
    max_leaves=25,
)


def answered(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.write("broker.yaml", data)
        try:
            desk.load(environ={"X": "1"})
        except ConfigError as error:
            lines = [str(problem) for problem in error.problems]
            assert lines
            assert all("\n" not in line and line.startswith(folder) for line in lines)
            assert len(set(lines)) == len(lines)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(BrokerFile.model_fields)), TREES, max_size=8))
def test_any_tree_is_answered(tree: object) -> None:
    answered(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x00")
@example(b"? ? ? a")
@example(b"a: !<!> b")
@example(b"%YAML 9.9\n---\na: b")
@example(b"include: ['/dev/zero', '/dev/stdin', '**', '[']")
def test_any_bytes_are_answered(data: bytes) -> None:
    answered(data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 8), st.text(max_size=4))
def test_a_slip_of_the_pen_is_answered(at: int, cut: int, put: str) -> None:
    answered((SOUND[:at] + put + SOUND[at + cut :]).encode("utf-8", "surrogatepass"))
