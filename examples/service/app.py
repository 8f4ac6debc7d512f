"""The routes: what a client may ask for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import fastask
from examples.service import cache, orders
from examples.service.database import Database, Unavailable
from examples.service.effects import Effects
from examples.service.report import summarise

KEY_LENGTH = 100
MOST = 1_000_000


class Routes:
    """What answers requests.

    Args:
        database: Where orders are placed.
        effects: What confirms them.
        queries: The supervisor of the queries of a report.
        tree: Returns the children of the service.
        report_deadline: Seconds that a report may take.
    """

    def __init__(
        self,
        database: Database,
        effects: Effects,
        queries: fastask.TaskSupervisor,
        tree: Callable[[], list[fastask.ChildInfo]],
        report_deadline: float,
    ) -> None:
        self.database = database
        self.effects = effects
        self.queries = queries
        self.tree = tree
        self.report_deadline = report_deadline

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/orders", self.place_order, methods=["POST"]),
                Route("/products/{name}", self.show_product),
                Route("/report", self.show_report),
                Route("/healthz", self.show_health),
            ],
            exception_handlers={
                Unavailable: ask_again,
                fastask.NoProcessError: ask_again,
                fastask.MaxChildrenError: ask_again,
            },
        )

    async def place_order(self, request: Request) -> JSONResponse:
        """Place an order: 201, or 200 where it was placed before."""
        try:
            key, product, quantity = parse(request, await request.body())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        match await orders.place(self.database, key, product, quantity):
            case orders.Placed(receipt, letter):
                # From here on the order is in the database. When this process ends now,
                # the checker finds the letter, and the client asks again.
                self.effects.start(letter)
                cache.Cache.changed(cache.CACHE, product)
                return JSONResponse(asdict(receipt), 201)
            case orders.Known(receipt):
                return JSONResponse(asdict(receipt), 200)
            case orders.Refused(status, why):
                return JSONResponse({"error": why}, status)

    async def show_product(self, request: Request) -> JSONResponse:
        """Show what a product costs, and how many there were a moment ago."""
        name = request.path_params["name"]
        found = await cache.product(name) if is_name(name) else None
        if found is None:
            return JSONResponse({"error": f"there is no {name}"}, 404)
        return JSONResponse(asdict(found))

    async def show_report(self, request: Request) -> JSONResponse:
        """Show the aggregates that were there in time, and which are missing."""
        report = await summarise(self.database, self.queries, self.report_deadline)
        return JSONResponse(asdict(report))

    async def show_health(self, request: Request) -> JSONResponse:
        """Show which children of the tree run: 200 when all of them do, else 503."""
        children = {
            str(child.id): isinstance(child.process, fastask.Process)
            and child.process.alive
            for child in self.tree()
        }
        healthy = all(children.values())
        effects = self.effects.count() if healthy else None
        return JSONResponse(
            {"healthy": healthy, "children": children, "effects": effects},
            200 if healthy else 503,
        )


async def ask_again(request: Request, error: Exception) -> JSONResponse:
    """Tell a client that it may ask again."""
    return JSONResponse({"error": str(error)}, 503, {"Retry-After": "1"})


def parse(request: Request, body: bytes) -> tuple[str, str, int]:
    """Return the key, the product and the quantity of an order.

    Raises:
        ValueError: If one of them is missing or wrong.
    """
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= KEY_LENGTH or not key.isascii():
        raise ValueError(f"Idempotency-Key must have 1 to {KEY_LENGTH} ASCII letters")
    order = json.loads(body)
    if not isinstance(order, dict):
        raise ValueError("the body must be an object")
    product, quantity = order.get("product"), order.get("quantity")
    if not isinstance(product, str) or not is_name(product):
        raise ValueError("product must be the name of a product")
    if type(quantity) is not int or not 0 < quantity <= MOST:
        raise ValueError(f"quantity must be an integer from 1 to {MOST}")
    return key, product, quantity


def is_name(name: str) -> bool:
    """Tell whether this could be the name of a product."""
    return name.isascii() and name.isalnum()
