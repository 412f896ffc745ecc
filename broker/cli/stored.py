"""A question to the store that the running broker uses, as every command asks it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from broker.cli.operator import OperatorError
from broker.clients import Clients
from broker.config import Config
from broker.logout.endings import Endings
from broker.store import Store, StoreError, StoreRefused, StoreUnavailable, open_store

T = TypeVar("T")


def endings(config: Config, store: Store) -> Endings:
    """How sessions end; the running broker tells client apps of it."""
    return Endings(store, Clients(config.clients_by_id), config.lifetimes, now=time.time)


def with_store(config: Config, use: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """What ``use`` makes of the store, which is opened for it and closed after it.

    Raises:
        OperatorError: the store cannot be had, or says no, or what was typed can be no name in it.
    """

    async def ask() -> T:
        store = await open_store(config.store, config.state_dir)
        try:
            return await use(store)
        finally:
            await store.close()

    try:
        return asyncio.run(ask())
    except StoreError as error:
        raise told(error) from error
    except UnicodeEncodeError as error:  # a shell hands on bytes that are no text, and names here are
        raise OperatorError("an argument is not UTF-8") from error


def told(error: StoreError) -> OperatorError:
    """What an operator hears of a store that cannot be had, or says no."""
    if isinstance(error, StoreRefused):
        return OperatorError(f"the store said no: {error}")
    if isinstance(error, StoreUnavailable):
        return OperatorError(f"the store did not answer: {error}")
    return OperatorError(str(error))
