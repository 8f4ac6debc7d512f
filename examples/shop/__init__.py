"""A small shop: orders, stock and confirmations that survive the end of any part.

The tree, which starts from the top and stops from the bottom:

    shop
    ├── store      a GenServer on SQLite: orders, stock, and letters still to be sent
    ├── effects    a TaskSupervisor: letters on their way, which hold up no reply
    ├── quotes     a TaskSupervisor: questions to carriers, for partial results
    └── checker    an Every: sends the letters that something came in the way of
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import fastask
from examples.shop.checker import deliver_overdue
from examples.shop.client import ask, order
from examples.shop.effects import EFFECTS, confirm_soon
from examples.shop.post import PostOffice
from examples.shop.quotes import QUOTES, ask_carriers
from examples.shop.report import Summary, summarise
from examples.shop.store import STORE, Letter, Receipt, Refused, Store

__all__ = [
    "EFFECTS",
    "QUOTES",
    "STORE",
    "Letter",
    "PostOffice",
    "Receipt",
    "Refused",
    "Store",
    "Summary",
    "ask",
    "ask_carriers",
    "database_in",
    "order",
    "summarise",
    "tree",
]


def database_in(directory: Path) -> Path:
    """Return where the shop in a directory has its database."""
    return directory / "shop.db"


def tree(
    directory: Path = Path(),
    *,
    post: PostOffice | None = None,
    check_every: float = 1.0,
    max_restarts: int = 3,
    max_seconds: float = 5.0,
) -> fastask.Supervisor:
    """Return the shop, not started: for `fastask.run`, or as part of a larger tree.

    The strategy is `rest_for_one`: each child uses those before it, so when one ends,
    those after it start anew as well and find what they rely on.

    Args:
        directory: Where its files are; it exists.
        post: What delivers the letters; None means one of its own in `directory`.
        check_every: Seconds between two looks for overdue letters, and those after
            which a letter is overdue.
        max_restarts: How many restarts are allowed,
        max_seconds: within how many seconds, before the shop gives up.
    """
    post = post or PostOffice(directory / "post.db")
    children = [
        Store.child_spec(
            database_in(directory), partial(confirm_soon, post), name=STORE
        ),
        fastask.TaskSupervisor(name=EFFECTS, max_children=1000),
        fastask.TaskSupervisor(name=QUOTES),
        fastask.Every(check_every, deliver_overdue, post, check_every),
    ]
    return fastask.Supervisor(
        children,
        strategy="rest_for_one",
        max_restarts=max_restarts,
        max_seconds=max_seconds,
    )
