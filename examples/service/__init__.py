"""A service on the web: orders in PostgreSQL, and work behind them that is supervised.

The tree, which starts from the top and stops from the bottom:

    service
    ├── database   a Keeper of the pool of connections
    ├── post       a Keeper of the session with the service that sends letters
    ├── cache      a GenServer: products, and one query for all who ask for the same
    ├── effects    a TaskSupervisor: letters on their way, which hold up no answer
    ├── checker    an Every: sends the letters that something came in the way of
    ├── queries    a TaskSupervisor: the parts of reports
    ├── requests   a TaskSupervisor: each request, with its deadline
    └── web        a GenServer around uvicorn

The strategy is `one_for_one`: each part asks for the others when it needs them, and is
told that one is away, which a client sees as 503. The web server stays up meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import fastask
from examples.service.app import Routes
from examples.service.cache import CACHE, Cache, load
from examples.service.checker import deliver_overdue
from examples.service.database import Database
from examples.service.effects import Effects, SupervisedEffects
from examples.service.keeper import Keeper
from examples.service.post import HttpPost, LogPost, Post
from examples.service.requests import Requests
from examples.service.web import WebServer

__all__ = ["Options", "say_port", "tree"]


@dataclass(frozen=True)
class Options:
    """How the service runs.

    Attributes:
        dsn: Where PostgreSQL is.
        host: Where it listens.
        port: Likewise; 0 is any port that is free.
        post_url: Where letters are posted to; None means the log.
        pool_size: How many connections to PostgreSQL there are at most.
        check_every: Seconds between two looks for overdue letters.
        overdue_after: Seconds after which a letter is overdue: longer than its own
            attempts take.
        cache_seconds: How long a product is kept in the cache.
        max_requests: How many requests there may be at a time.
        deadline: Seconds that a request may take.
        report_deadline: Seconds that the parts of a report may take.
        drain: Seconds for the answers that are due when the service stops.
    """

    dsn: str
    host: str = "127.0.0.1"
    port: int = 8000
    post_url: str | None = None
    pool_size: int = 10
    check_every: float = 1.0
    overdue_after: float = 10.0
    cache_seconds: float = 5.0
    max_requests: int = 1000
    deadline: float = 5.0
    report_deadline: float = 1.0
    drain: int = 8


def say_port(port: int) -> None:
    """Print where the service listens."""
    print(f"listening on port {port}", flush=True)


def tree(
    options: Options,
    *,
    on_start: Callable[[int], None] = say_port,
    effects_of: Callable[[Database, Post], Effects] = SupervisedEffects,
) -> fastask.Supervisor:
    """Return the service, not started: for `fastask.run`, or part of a larger tree.

    Args:
        options: How it runs.
        on_start: Is told the port, whenever the web server has started.
        effects_of: Makes what runs side effects.
    """
    database = Database(options.dsn, options.pool_size)
    post = LogPost() if options.post_url is None else HttpPost(options.post_url)
    effects = effects_of(database, post)
    queries = fastask.TaskSupervisor(name="service.queries", max_children=100)
    requests = fastask.TaskSupervisor(
        name="service.requests", max_children=options.max_requests
    )
    checker = fastask.Every(
        options.check_every, deliver_overdue, database, post, options.overdue_after
    )
    routes = Routes(
        database,
        effects,
        queries,
        lambda: supervisor.which_children(),
        options.report_deadline,
    )
    supervisor = fastask.Supervisor(
        [
            Keeper.child_spec(database, id="database", shutdown=10.0),
            Keeper.child_spec(post, id="post"),
            Cache.child_spec(
                partial(load, database), options.cache_seconds, id="cache", name=CACHE
            ),
            effects.child(),
            checker.child_spec(id="checker"),
            queries,
            requests,
            WebServer.child_spec(
                Requests(routes.app(), requests, options.deadline),
                (options.host, options.port),
                on_start,
                options.drain,
                id="web",
                shutdown=options.drain + 2.0,
            ),
        ]
    )
    return supervisor
