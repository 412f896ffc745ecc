"""Secrets do not print, whichever way somebody looks at the configuration."""

import json
import traceback
from dataclasses import asdict

import msgspec
import pytest
from pydantic import TypeAdapter

from broker.config import Config, ConfigError
from broker.connector import Secret
from tests.config.desk import SOUND, Desk

SECRET = "s3cr3t-that-nobody-may-see-" + "x" * 20


def secretive(desk: Desk) -> Config:
    text = SOUND.replace("    client_id", f"    client_secret: {SECRET}-upstream\n    client_id", 1)
    text = text.replace("something long", f"{SECRET}-client")
    return desk.load(f"""{text}
subject_key: {SECRET}-subject
store:
  url: redis://user:{SECRET}-redis@localhost
  encryption_keys: [{SECRET}-store]
""")


def test_no_way_of_printing_it_shows_a_secret(desk: Desk) -> None:
    config = secretive(desk)
    assert config.subject_key is not None
    assert config.subject_key.reveal() == f"{SECRET}-subject"
    for shown in (
        repr(config),
        str(config),
        f"{config!a}",
        repr(config.store),
        repr(config.connectors["staff"]),
        repr(config.connectors["staff"].settings),
        config.connectors["staff"].settings.model_dump_json(),
        repr(config.connectors["staff"].settings.model_dump()),
        repr(config.clients_by_id),
        TypeAdapter(tuple[Secret, ...]).dump_json(config.store.encryption_keys).decode(),
        repr(asdict(config.store)["encryption_keys"]),
        msgspec.json.encode(config.clients_by_id["billing"]).decode(),
        json.dumps(config.store.encryption_keys, default=str),
    ):
        assert SECRET not in shown


def test_a_mistake_elsewhere_shows_no_secret_in_its_traceback(desk: Desk) -> None:
    text = SOUND.replace("something long", f"[{SECRET}, 3, [{SECRET}]]") + f"subject_key: [{SECRET}]\n"
    with pytest.raises(ConfigError) as caught:
        desk.load(text)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert len(caught.value.problems) == 3
