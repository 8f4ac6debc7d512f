"""Handshake: who is calling, before a link carries anything."""

from __future__ import annotations

from typing import Any

from distributed.comm.core import Comm

from fastask._nodes.engine import Peer

PROTOCOL = 1
"""Links of different versions do not talk to each other."""

TEXTS = ("name", "incarnation", "address")


class Refused(ConnectionError):
    """Why a link was not opened."""


def described(peer: Peer) -> dict[str, Any]:
    """Return a node as other nodes can read it."""
    return {
        "protocol": PROTOCOL,
        "name": peer.name,
        "incarnation": peer.incarnation,
        "address": peer.address,
        "labels": dict(peer.labels),
        "hidden": peer.hidden,
    }


def peer_from(description: object) -> Peer:
    """Return the node that `described` has described.

    Raises:
        Refused: If it did not.
    """
    if not isinstance(description, dict):
        raise Refused(f"a node must be described, got {type(description)}")
    if description.get("protocol") != PROTOCOL:
        raise Refused(
            f"protocol must be {PROTOCOL}, got {description.get('protocol')!r}"
        )
    for key in TEXTS:
        if not isinstance(description.get(key), str) or not description[key]:
            raise Refused(f"{key} must be a text, got {description.get(key)!r}")
    labels, hidden = description.get("labels"), description.get("hidden")
    if not isinstance(labels, dict) or not isinstance(hidden, bool):
        raise Refused(f"labels and hidden must be told, got {labels!r}, {hidden!r}")
    name, incarnation, address = (description[key] for key in TEXTS)
    labels = {str(key): str(label) for key, label in labels.items()}
    return Peer(name, incarnation, address, labels, hidden)


async def call(comm: Comm, this: Peer, wanted: Peer) -> None:
    """Say who calls whom, and wait until the other side agrees.

    Raises:
        Refused: If it does not, with its reason.
        OSError: If the connection is lost.
    """
    hello = {"fastask": described(this), "wanted": wanted.incarnation}
    await comm.write(hello)
    answer = await comm.read()
    if not isinstance(answer, dict) or answer.get("fastask") != PROTOCOL:
        raise Refused(f"what listens at {wanted.address} is no node of fastask")
    if answer.get("refused") is not None:
        raise Refused(f"{wanted.name} refused the link: {answer['refused']}")


async def listen_to(comm: Comm, this: Peer) -> Peer:
    """Read who calls.

    Raises:
        Refused: If it is no node, or calls for another one.
        OSError: If the connection is lost.
    """
    hello = await comm.read()
    if not isinstance(hello, dict) or set(hello) != {"fastask", "wanted"}:
        raise Refused("what calls is no node of fastask")
    peer = peer_from(hello["fastask"])
    if hello["wanted"] != this.incarnation:
        raise Refused(
            f"{peer.name} calls for incarnation {hello['wanted']!r}, "
            f"this is {this.incarnation!r}"
        )
    return peer


async def accept(comm: Comm) -> None:
    """Tell the caller that it has its link."""
    await comm.write({"fastask": PROTOCOL, "refused": None})


async def refuse(comm: Comm, reason: object) -> None:
    """Tell the caller that it has none, and why."""
    await comm.write({"fastask": PROTOCOL, "refused": str(reason)})
