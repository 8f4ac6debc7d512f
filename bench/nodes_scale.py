"""How a cluster grows: what the head and each node hold, by counting, not by running.

    python -m bench.nodes_scale                    # 10, 100 and 1000 nodes
    python -m bench.nodes_scale --nodes 300 --talk 20 --churn 10

The model of the engine on Dask: each node has two connections to the head, and a link
to each node that it has talked to. The head tells each node of each that joins or
leaves, by one message, and hands the whole list to who joins. The constants are
measured: run `python -m bench.nodes_scale --measure` to see them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from dataclasses import dataclass
from typing import Any

from fastask._nodes.dask.roster import Roster
from fastask._nodes.engine import Peer

ENTRY = 840
"""Bytes of a node in the head's list, as msgpack."""

NEWS = 450
"""Bytes of a message about a node that has joined or left."""

PAIR_CPU = 350e-6
"""Seconds of the head for each pair of one that joins and one that is there: it
compares their versions, tells the one of the other and lists the other to the one."""

HEARTBEAT_CPU = 0.55e-3
"""Seconds of the head for one heartbeat."""

FILES = 3
"""Open files of the head for each node: its worker, its calls, its news."""


def heartbeat_interval(nodes: int) -> float:
    """Seconds between two heartbeats: distributed slows them down as it grows."""
    if nodes <= 10:
        return 0.5
    if nodes < 50:
        return 1.0
    if nodes < 200:
        return 2.0
    return nodes / 200 + 1


@dataclass(frozen=True)
class Growth:
    """What so many nodes mean.

    Attributes:
        nodes: How many.
        talk: To how many others each node talks, drawn at random; None for all.
        churn: Nodes that leave and return in an hour.
        seed: Of the draw.
    """

    nodes: int
    talk: int | None
    churn: float
    seed: int = 1

    def links(self) -> list[int]:
        """Draw who talks to whom; return how many links each node has."""
        if self.talk is None or self.talk >= self.nodes - 1:
            return [self.nodes - 1] * self.nodes
        chance = random.Random(self.seed)
        linked: list[set[int]] = [set() for _ in range(self.nodes)]
        for node in range(self.nodes):
            others = chance.sample(range(self.nodes - 1), self.talk)
            for other in (each + (each >= node) for each in others):
                linked[node].add(other)
                linked[other].add(node)  # one link serves both directions
        return [len(each) for each in linked]

    def rows(self) -> list[tuple[str, str]]:
        """What grows, and to what."""
        links = self.links()
        heartbeats = self.nodes / heartbeat_interval(self.nodes)
        pairs = self.nodes * (self.nodes - 1) / 2
        churn = self.churn / 3600 * self.nodes
        return [
            ("links of a node, median", f"{statistics.median(links):,.0f}"),
            ("links of a node, most", f"{max(links):,}"),
            ("links of all", f"{sum(links) // 2:,}"),
            ("open files of the head", f"{FILES * self.nodes:,}"),
            ("heartbeats", f"{heartbeats:,.0f}/s"),
            ("head, CPU for heartbeats", f"{heartbeats * HEARTBEAT_CPU:.1%}"),
            ("head, CPU for the churn", f"{churn * PAIR_CPU:.2%}"),
            ("all join at once: CPU of the head", f"{pairs * PAIR_CPU:,.1f} s"),
            ("one joins: CPU of the head", f"{self.nodes * PAIR_CPU * 1e3:,.0f} ms"),
            ("one joins: the list it gets", f"{self.nodes * ENTRY / 1e3:,.0f} kB"),
            ("one joins: news to all", f"{2 * self.nodes * NEWS / 1e3:,.0f} kB"),
        ]


def measure_roster(nodes: int) -> float:
    """Seconds that a node's roster takes for a head that dies and returns."""
    peers = {
        f"tcp://10.0.0.1:{n}": Peer(f"n{n}@h", f"{n:032x}", f"tcp://10.0.0.1:{n}")
        for n in range(nodes)
    }
    roster = Roster("me@h", lambda _: None, lambda _: None)
    roster.replace(peers)
    start = time.perf_counter()
    roster.stand_still()
    roster.replace(peers)
    roster.settle()
    return time.perf_counter() - start


class Nobody:
    """Takes whatever it is told."""

    def peer_up(self, peer: Peer) -> None:
        pass

    peer_down = peer_up


async def measure_constants(nodes: int) -> None:
    """Print what a head takes for so many nodes, which all run in this process."""
    import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
    from distributed.protocol import dumps

    from bench.nodes_dask import program
    from fastask._nodes.dask import DaskEngine

    def cpu() -> float:
        return float(sum(psutil.Process(process.pid).cpu_times()[:2]))

    with program("fastask", "scheduler", "--port=0") as (process, head):
        engines = [DaskEngine() for _ in range(nodes)]
        before, start = cpu(), time.perf_counter()
        for number, engine in enumerate(engines):
            await engine.start(
                f"n{number}@h",
                join=head,
                security=None,
                net_ticktime=60.0,
                listener=Nobody(),  # type: ignore[arg-type]  # nobody calls here
            )
        while any(len(engine.peers()) < nodes - 1 for engine in engines):
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - start
        print(f"{nodes} nodes have all met after {seconds:.1f} s")
        pairs = nodes * (nodes - 1) / 2
        joins = cpu() - before
        print(f"the head took {joins:.2f} s CPU, {joins / pairs * 1e6:.0f} us a pair")
        membership: Any = engines[0]._membership
        listed = await membership._worker.scheduler.identity()
        size = sum(map(len, dumps(listed))) / nodes
        print(f"a node takes {size:,.0f} bytes of the head's list")
        await asyncio.sleep(5)
        before = cpu()
        await asyncio.sleep(20)
        idle = (cpu() - before) / 20
        rate = nodes / heartbeat_interval(nodes)
        print(f"idle it takes {idle:.1%} of a CPU, {rate:.0f} heartbeats/s")
        memory = psutil.Process(process.pid).memory_full_info().pss
        files = psutil.Process(process.pid).num_fds()
        print(f"it has {memory / 1e6:.0f} MB PSS and {files} open files")
        for engine in engines:
            await engine.stop()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Count what a cluster holds.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument(
        "--talk", type=int, help="others a node talks to (default: all)"
    )
    parser.add_argument("--churn", type=float, default=10.0, help="restarts an hour")
    parser.add_argument(
        "--measure", type=int, metavar="NODES", help="run so many, here"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        asyncio.run(measure_constants(arguments.measure))
        return
    tables = [
        Growth(n, arguments.talk, arguments.churn).rows() for n in arguments.nodes
    ]
    print(f"{'nodes':36}" + "".join(f"{n:>14,}" for n in arguments.nodes))
    for cells in zip(*tables, strict=True):
        print(f"{cells[0][0]:36}" + "".join(f"{value:>14}" for _, value in cells))
    times = [f"{measure_roster(n) * 1e3:.1f} ms" for n in arguments.nodes]
    print(
        f"{'a node: the head dies and returns':36}" + "".join(f"{t:>14}" for t in times)
    )


if __name__ == "__main__":
    main()
