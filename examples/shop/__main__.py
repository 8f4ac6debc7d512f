"""A tour of the shop: `python -m examples.shop`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import fastask
from examples.shop import (
    STORE,
    PostOffice,
    ask_carriers,
    database_in,
    order,
    summarise,
    tree,
)


async def snail(grams: int) -> int:
    """Answer too late."""
    await fastask.sleep(60.0)
    return grams


async def hare(grams: int) -> int:
    """Answer at once."""
    return 2 * grams


async def main() -> None:
    """Sell a few things, while the store is killed."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        post = PostOffice(directory / "post.db")
        async with tree(directory, post=post, check_every=0.2):
            print("an order:      ", await order("tea", 2))
            store = fastask.whereis(STORE)
            assert store is not None
            fastask.exit(store, fastask.KILL)
            print("after the kill:", await order("cup", 4))
            print("too many:      ", await order("teapot", 26))
            carriers = {"snail": snail, "hare": hare}
            print("partial result:", await ask_carriers(800, carriers, 0.1))
            print("aggregate:     ", await summarise(database_in(directory)))
            while len(post.delivered()) < 2:
                await fastask.sleep(0.05)
            print("letters:       ", *[letter.text for letter in post.delivered()])


if __name__ == "__main__":
    fastask.run(main)
