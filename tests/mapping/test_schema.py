"""What editors are told of a claims map agrees with what the broker obeys."""

import re

from broker.mapping import CASTS, PROTOCOL_CLAIMS, WORDS, map_schema


def test_every_word_is_described_with_its_shape():
    rule = map_schema()["additionalProperties"]
    assert {word: shape["description"] for word, shape in rule["properties"].items()} == WORDS
    assert rule["properties"]["cast"]["enum"] == list(CASTS)
    assert rule["additionalProperties"] is False


def test_an_editor_marks_the_names_that_stop_the_start():
    names = map_schema()["propertyNames"]
    assert set(names["not"]["enum"]) == PROTOCOL_CLAIMS
    assert re.search(names["pattern"], "https://acme.example/roles")
    assert not re.search(names["pattern"], "a b")
