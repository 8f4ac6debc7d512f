"""A node as a program: it sends back what its links bring, until it is killed.

    python echo_node.py HEAD NAME [NET_TICKTIME [CA CERT KEY]]

It tells on its standard output what happens, a line each. On its standard input it
takes the names of nodes that it is to talk to all the time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence

from fastask._nodes.dask import DaskEngine
from fastask._nodes.engine import Buffer, Link, Peer, Receiver

PAUSE = 0.02
"""Seconds between an answer and the next question."""


def tell(*words: object) -> None:
    """Write a line, with the time that all programs of this machine share."""
    print(f"{time.monotonic():.3f}", *words, flush=True)


class Echo:
    """Sends back what comes."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def received(self, frame: list[Buffer]) -> None:
        self.link.send(frame)

    def closed(self, reason: object) -> None:
        tell("closed", self.link.peer.name)


class Talk:
    """Asks a node again and again, and notes the longest wait for an answer."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answered = time.monotonic()
        self.longest = 0.0
        self.link: Link

    def ask(self) -> None:
        self.link.send([b"there?"])

    def received(self, frame: list[Buffer]) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self.answered)
        self.answered = now
        asyncio.get_running_loop().call_later(PAUSE, self.ask)

    def closed(self, reason: object) -> None:
        tell("closed", self.name, str(reason).replace(" ", "_"))


class Listener:
    """Takes every link."""

    def peer_up(self, peer: Peer) -> None:
        tell("up", peer.name, peer.incarnation)

    def peer_down(self, peer: Peer) -> None:
        tell("down", peer.name)

    def accepted(self, link: Link) -> Receiver:
        return Echo(link)


async def listen_to_orders(engine: DaskEngine) -> None:
    """Talk to nodes, and tell how that goes when asked by an empty line."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    talks: list[Talk] = []
    while line := await orders.readline():
        name = line.decode().strip()
        if not name:
            tell("waits", *(f"{talk.name}={talk.longest:.3f}" for talk in talks))
            continue
        talk = Talk(name)
        talk.link = await engine.connect(name, talk)
        talks.append(talk)
        talk.ask()
    await loop.create_future()


async def main(
    head: str, name: str, net_ticktime: str = "60", *certificates: str
) -> None:
    """Be a node."""
    engine = DaskEngine()
    await engine.start(
        name,
        join=head,
        security=security_from(certificates),
        net_ticktime=float(net_ticktime),
        listener=Listener(),
    )
    tell("ready")
    await listen_to_orders(engine)


def security_from(certificates: Sequence[str]) -> dict[str, str] | None:
    """The paths by their names."""
    return dict(zip(("ca", "cert", "key"), certificates, strict=False)) or None


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
