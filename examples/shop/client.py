"""The client's side: a request that outlasts the restart of the server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import fastask
from examples.shop.store import STORE, Outcome, Store

T = TypeVar("T")

PAUSE = 0.01
"""Seconds before one asks again: a restart takes less."""


async def ask(request: Callable[[], Awaitable[T]], patience: float = 5.0) -> T:
    """Await `request()`, again and again while the one that it asks is being restarted.

    A request whose answer was lost may have been carried out: it has to be one that is
    harmless when repeated, as reading is, and an order with a key.

    A request that the server crashed on is not repeated: it would crash on it again,
    and be restarted too often.

    Args:
        request: Makes the request anew, each time it is called.
        patience: Seconds after which the last error is raised.

    Returns:
        The answer.

    Raises:
        CallError: If the server crashed, or did not come back in time.
        UnknownNameError: If a supervisor did not come back in time.
        NoProcessError: Likewise.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await request()
        except (
            fastask.CallError,
            fastask.UnknownNameError,
            fastask.NoProcessError,
        ) as error:
            has_crashed = isinstance(getattr(error, "reason", None), Exception)
            if has_crashed or time.monotonic() > deadline:
                raise
        await fastask.sleep(PAUSE)


async def order(product: str, quantity: int, key: str | None = None) -> Outcome:
    """Place an order, once, whatever happens to the server meanwhile.

    Args:
        product: The name of a product.
        quantity: How many, > 0.
        key: Unique to this order; None means a new one. Keep it, and the order can be
            repeated after the client itself was restarted.

    Returns:
        A `Receipt`, or `Refused`.

    Raises:
        CallError: If the store crashed, or did not come back in time.
    """
    key = uuid.uuid4().hex if key is None else key
    return await ask(partial(Store.place_order, STORE, key, product, quantity))
