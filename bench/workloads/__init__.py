"""The workloads: a module for each noun, a function for each side in it."""

from __future__ import annotations

from bench.row import Row
from bench.workloads import (
    bang,
    big,
    chameneos,
    factory,
    latency,
    link,
    memory,
    message,
    monitor,
    ring,
    server,
    skynet,
    spawn,
    start,
    stream,
    supervised,
    timeout,
    timer,
    tree,
)

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        spawn,
        supervised,
        timeout,
        monitor,
        link,
        message,
        server,
        timer,
        stream,
        skynet,
        ring,
        chameneos,
        big,
        bang,
        memory,
        latency,
        start,
        factory,
        tree,
    )
}
"""The modules by their nouns, in the order in which reports have them."""

ROWS: dict[str, Row] = {
    row.name: row for module in MODULES.values() for row in module.ROWS
}
"""All rows by their names, in the same order."""
