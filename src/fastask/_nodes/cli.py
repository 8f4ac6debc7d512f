"""The commands `scheduler` and `node`: the head of a cluster, and a node of it."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastask.process import sleep
from fastask.runtime import run

if TYPE_CHECKING:
    _Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

TERMINATED = 143
UNUSABLE = 2

HEAD = """\
Runs the head of a cluster of nodes on Dask distributed, which lists the nodes, until
SIGINT or SIGTERM. It prints the address that nodes join. It listens on the loopback
address; elsewhere only with certificates.
"""

NODE = """\
Runs a node until SIGINT or SIGTERM, then stops its children in reverse order and
leaves the cluster. It is a node on Dask, with a head, or one on a Ray cluster that runs
already and has a part on this machine. The exit status is 0 after an orderly stop, 1
when the node could not join or gave up, and 2 when the arguments do not fit.
"""

LEAST_TICKTIME, LEAST_OF_ANY = 11, 1
"""Seconds, of a head and of a node; told here without what an engine imports."""


def add_commands(commands: _Subparsers) -> None:
    """Add `scheduler` and `node` to the commands of `python -m fastask`."""
    parser = commands.add_parser(
        "scheduler", help="run the head of a cluster", description=HEAD
    )
    parser.set_defaults(main=main_scheduler)
    _add_place(parser, "where it listens (default: 127.0.0.1)", 8786)
    _add_common(parser, _seconds)

    parser = commands.add_parser(
        "node", help="run a node of a cluster", description=NODE
    )
    parser.set_defaults(main=main_node)
    parser.add_argument("--name", required=True, metavar="NAME@HOST", help="its name")
    parser.add_argument(
        "--join",
        metavar="ADDRESS",
        help="HOST:PORT of the head; on Ray also `auto`, for the cluster that is here",
    )
    parser.add_argument(
        "--app",
        metavar="MODULE:ATTRIBUTE",
        help="the children that it runs (default: a task supervisor)",
    )
    parser.add_argument(
        "--engine",
        default="dask",
        choices=["dask", "ray"],
        help="what carries the nodes (default: %(default)s)",
    )
    place = "where it listens, on Dask (default: loopback, or towards the head)"
    _add_place(parser, place, 0)
    _add_common(parser, _seconds_of_any)
    parser.add_argument(
        "--token",
        metavar="FILE",
        help="the token of the Ray cluster (default: what Ray's variables say)",
    )


def _add_place(parser: argparse.ArgumentParser, text: str, port: int) -> None:
    parser.add_argument("--host", metavar="HOST", help=text)
    parser.add_argument(
        "--port",
        type=_port,
        default=port,
        metavar="PORT",
        help="0 takes a free one (default: %(default)s)",
    )


def _add_common(
    parser: argparse.ArgumentParser, seconds: Callable[[str], float]
) -> None:
    for key, text in {
        "ca": "the certificate of the authority, PEM",
        "cert": "the certificate, PEM",
        "key": "the key of the certificate, PEM",
    }.items():
        parser.add_argument(f"--tls-{key}", metavar="FILE", help=text)
    parser.add_argument(
        "--net-ticktime",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a node may be silent (default: 60)",
    )
    parser.add_argument(
        "--log-level",
        default="INFO",
        metavar="LEVEL",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="what is logged to the standard error output (default: INFO)",
    )


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, got {text!r}")
    return int(text)


def _seconds(text: str, least: int = LEAST_TICKTIME) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not least <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number >= {least}, got {text!r}")
    return number


def _seconds_of_any(text: str) -> float:
    return _seconds(text, LEAST_OF_ANY)


def security_from(arguments: argparse.Namespace) -> dict[str, str] | None:
    """Return the paths of the certificates, None when none was given.

    Raises:
        ValueError: If only some of the three were given.
    """
    paths = {key: getattr(arguments, f"tls_{key}") for key in ("ca", "cert", "key")}
    if not any(paths.values()):
        return None
    missing = [f"--tls-{key}" for key, path in paths.items() if not path]
    if missing:
        raise ValueError(f"{' and '.join(missing)} must be given, too")
    return paths


def main_scheduler(arguments: argparse.Namespace) -> int:
    """Run the head of a cluster.

    Args:
        arguments: What the parser of `add_commands` made.

    Returns:
        0 after an orderly stop, 1 when it could not listen, 2 when the arguments do not
        fit.
    """

    async def serve() -> None:
        from fastask._nodes.dask.head import Head

        given = {} if arguments.host is None else {"host": arguments.host}
        head = Head(
            **given,
            port=arguments.port,
            security=security_from(arguments),
            net_ticktime=arguments.net_ticktime,
        )
        await head.serve(lambda address: print(f"head {address}", flush=True))

    return _complete("scheduler", serve, arguments.log_level)


def main_node(arguments: argparse.Namespace) -> int:
    """Run a node.

    Args:
        arguments: What the parser of `add_commands` made.

    Returns:
        0 after an orderly stop, 1 when it could not join or gave up, 2 when the
        arguments do not fit.
    """

    async def be_node() -> None:
        fastask: Any = importlib.import_module("fastask")
        carry = _by_ray if arguments.engine == "ray" else _by_dask
        engine, security = carry(arguments)
        async with fastask.connect(
            engine=engine,
            name=arguments.name,
            join=arguments.join,
            security=security,
            app=arguments.app,
            net_ticktime=arguments.net_ticktime,
        ):
            print(f"node {arguments.name}", flush=True)
            await sleep(None)

    return _complete("node", be_node, arguments.log_level)


def _by_dask(arguments: argparse.Namespace) -> tuple[object, dict[str, str] | None]:
    """Return the engine and the security of a node on Dask."""
    if arguments.token is not None:
        raise ValueError("--token is for --engine=ray: a head asks for certificates")
    from fastask._nodes.dask import DaskEngine

    engine = DaskEngine(host=arguments.host, port=arguments.port)
    return engine, security_from(arguments)


def _by_ray(arguments: argparse.Namespace) -> tuple[object, dict[str, str] | None]:
    """Return the engine and the security of a node on Ray."""
    if arguments.host is not None or arguments.port:
        raise ValueError(
            "--host and --port are for --engine=dask: a node on Ray has none"
        )
    token = {} if arguments.token is None else {"token": arguments.token}
    return "ray", {**(security_from(arguments) or {}), **token} or None


def _complete(
    command: str, main: Callable[[], Coroutine[Any, Any, None]], level: str
) -> int:
    """Run a command until a signal, and return its exit status."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m fastask run` finds an app
    try:
        run(main)
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as error:
        print(f"fastask {command}: {error}", file=sys.stderr)
        return UNUSABLE
    except OSError as error:
        print(f"fastask {command}: {error}", file=sys.stderr)
        return 1
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
        return 0 if code == TERMINATED else code
    except KeyboardInterrupt:
        return 0
    return 0
