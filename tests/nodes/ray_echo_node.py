"""A node on Ray as a program: it sends back what its links bring, until it is killed.

python ray_echo_node.py ADDRESS TOKEN NAME
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from fastask._nodes.engine import Buffer, Link, Peer, Receiver
from fastask._nodes.ray import RayEngine


class Echo:
    """Sends back what comes."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def received(self, frame: list[Buffer]) -> None:
        self.link.send(frame)

    def closed(self, reason: object) -> None:
        pass


class Listener:
    """Takes every link."""

    def peer_up(self, peer: Peer) -> None:
        pass

    def peer_down(self, peer: Peer) -> None:
        pass

    def accepted(self, link: Link) -> Receiver:
        return Echo(link)


async def main(address: str, token: str, name: str) -> None:
    """Be a node."""
    await RayEngine().start(
        name,
        join=address,
        security={"token": token},
        net_ticktime=60.0,
        listener=Listener(),
    )
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
