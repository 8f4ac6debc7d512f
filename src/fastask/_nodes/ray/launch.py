"""Launch: a program that has Ray start a host, and ends.

    python -m fastask._nodes.ray.launch < ORDER

It takes the order, and tells the outcome, as a line of JSON each. It is a program of
its own so that the node's has no thread, signal handler or open port of Ray's.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from importlib import import_module
from typing import Any

from fastask._nodes.ray.host import NAMESPACE, PREFIX, actor_class
from fastask._nodes.ray.wire import peer_from

ray: Any = import_module("ray")  # an extra, which a checker takes for this package

LEAVING = 5.0
"""Seconds that a host whose program has ended has to go."""

ANSWER = 20.0
"""Seconds in which a host must start."""


def launch(order: dict[str, Any]) -> dict[str, str]:
    """Start a host on this machine; return what went wrong, if something did."""
    this = peer_from(order["peer"].encode())
    try:
        if order["join"] != "auto":
            host, _, port = order["join"].rpartition(":")
            # Ray itself would look for a head there for more than a minute.
            socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
        ray.init(
            order["join"],
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:  # Ray has no kind of errors for it
        return {"unreachable": str(error)}
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    hosts = actor_class().options(name=PREFIX + this.name, scheduling_strategy=here)
    deadline = time.monotonic() + LEAVING
    while True:
        try:
            host = hosts.remote(order["path"], this)
            ray.get(host.describe.remote(), timeout=ANSWER)
        except ValueError as error:  # the name is that of another host
            if is_alive(PREFIX + this.name) or time.monotonic() > deadline:
                return {"taken": str(error)}
            time.sleep(0.02)
        except Exception as error:  # whatever the actor's constructor has raised
            return {"failed": str(error)}
        else:
            return {}


def is_alive(name: str) -> bool:
    """Tell whether a host of that name answers."""
    try:
        host = ray.get_actor(name, namespace=NAMESPACE)
        ray.get(host.describe.remote(), timeout=LEAVING)
    except ray.exceptions.GetTimeoutError:
        return True
    except (ValueError, ray.exceptions.RayError):
        return False
    return True


if __name__ == "__main__":
    out = os.dup(1)
    os.dup2(2, 1)  # what Ray prints is no outcome
    outcome = launch(json.loads(sys.stdin.readline()))
    os.write(out, json.dumps(outcome).encode() + b"\n")
    ray.shutdown()
