"""Quotes: many questions, one deadline, and the answers that came before it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from fastask import Failed, Ok, TaskRunner

QUOTES = "shop.quotes"
"""The name of the task supervisor."""

Carrier: TypeAlias = Callable[[int], Awaitable[int]]
"""Returns the price, in cents, for which it carries so many grams."""

_LOGGER = logging.getLogger(__name__)


async def ask_carriers(
    grams: int, carriers: Mapping[str, Carrier], deadline: float = 0.4
) -> dict[str, int]:
    """Ask all carriers at once what a parcel costs.

    Those that fail, or do not answer before the deadline, are missing from the result.
    No question goes on when this has returned.

    Args:
        grams: The weight of the parcel.
        carriers: The carriers by name.
        deadline: Seconds for all of them together.

    Returns:
        The prices, in cents, by the names of the carriers.

    Raises:
        UnknownNameError: If the shop is not running, or is being restarted.
        NoProcessError: If that happened just now.
    """
    names = list(carriers)
    prices = dict[str, int]()
    runner = TaskRunner.run(
        [(QUOTES, carriers[name], grams) for name in names], timeout=deadline
    )
    try:
        async for event in runner:
            match event:
                case Ok(price):
                    prices[names[event.index]] = price
                case Failed(reason):
                    _LOGGER.warning("no quote of %s: %r", names[event.index], reason)
                case TaskRunner.TIMEOUT:
                    _LOGGER.info("%d of %d quotes in time", len(prices), len(names))
    finally:
        runner.stop()
    return prices
