"""The workloads: a module for each noun, both sides of a pair side by side in it."""

from __future__ import annotations

from bench.workloads import (
    factory,
    message,
    server,
    spawn,
    stream,
    supervised,
    timeout,
    timer,
    tree,
)

MODULES = (spawn, supervised, message, server, timer, timeout, stream, factory, tree)
