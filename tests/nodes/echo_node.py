"""A node as a program: it sends back what its links bring, until it is killed.

python echo_node.py HEAD NAME
"""

from __future__ import annotations

import asyncio
import sys

from fastask._nodes.dask import DaskEngine
from fastask._nodes.engine import Buffer, Link, Peer, Receiver


class Echo:
    """Sends back what comes."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def received(self, frame: list[Buffer]) -> None:
        self.link.send(frame)

    def closed(self, reason: object) -> None:
        print("closed", reason, flush=True)


class Listener:
    """Takes every link."""

    def peer_up(self, peer: Peer) -> None:
        pass

    def peer_down(self, peer: Peer) -> None:
        pass

    def accepted(self, link: Link) -> Receiver:
        return Echo(link)


async def main(head: str, name: str) -> None:
    """Be a node."""
    engine = DaskEngine()
    await engine.start(
        name, join=head, security=None, net_ticktime=60.0, listener=Listener()
    )
    print("up", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
