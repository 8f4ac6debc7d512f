"""Elixir's processes and tasks for asyncio: concurrency you can trust."""

from __future__ import annotations

TYPE_CHECKING = False  # a checker takes it for True; `typing` takes time to import

if TYPE_CHECKING:
    from fastask import (
        sys as sys,  # not in __all__: a star import must not hide Python's
    )
    from fastask import testing as testing
    from fastask._api import *  # noqa: F403  # all of them, as its list says
    from fastask._api import __all__ as __all__

__version__ = "0.1.0"

if not TYPE_CHECKING:  # to a checker, any name at all would be there

    def _load() -> None:
        """Bring in every name, and be a plain module from then on.

        A module with a `__getattr__` of its own is slower in what it has, too: Python
        takes no short way to its names.
        """
        from importlib import import_module

        api = import_module("fastask._api")
        globals().update({name: getattr(api, name) for name in api.__all__})
        globals()["__all__"] = api.__all__
        globals().pop("__getattr__", None)
        globals().pop("__dir__", None)

    def __getattr__(name: str) -> object:
        """Load what was not needed until now: an import alone costs next to nothing."""
        if name == "__all__" or not name.startswith("__"):
            _load()
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module 'fastask' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """List what is there when it is loaded."""
        _load()
        return sorted(globals())
