"""Child specifications: how a supervisor starts, restarts and stops a child."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeVarTuple, get_args

from fastask._core.process import function_name
from fastask._core.reason import BRUTAL_KILL, BrutalKill
from fastask._core.start import check_seconds
from fastask._core.task import start_link

__all__ = ["ChildSpec", "child_spec"]

Ts = TypeVarTuple("Ts")

Restart = Literal["permanent", "transient", "temporary"]
ChildType = Literal["worker", "supervisor"]
Shutdown = float | None | Literal[BrutalKill.BRUTAL_KILL]


@dataclass(frozen=True)
class ChildSpec:
    """How a supervisor starts, restarts and stops a child.

    `dataclasses.replace` makes a changed copy.

    Args:
        id: Names the child under its supervisor; any hashable.
        start: `start(*args)` is called in the supervisor, and starts a process linked
            to it.
        args: Positional arguments of `start`.
        restart: `"permanent"`: always. `"transient"`: after an abnormal end.
            `"temporary"`: never.
        shutdown: Seconds between the exit signal `SHUTDOWN` and the kill, None for no
            limit, or `BRUTAL_KILL` for no signal.
        type: `"worker"` or `"supervisor"`.
        significant: Whether its own end may stop its supervisor.

    Raises:
        TypeError: If a field is of a wrong type.
        ValueError: If a field has no such value.

    Elixir: the map of `Supervisor.child_spec/2`.
    """

    id: Hashable
    start: Callable[..., Any]
    args: tuple[Any, ...] = ()
    restart: Restart = "permanent"
    shutdown: Shutdown = 5.0
    type: ChildType = "worker"
    significant: bool = False

    def __post_init__(self) -> None:
        """Check every field."""
        try:
            hash(self.id)
        except TypeError:
            raise TypeError(f"id must be hashable, got {self.id!r}") from None
        if not callable(self.start):
            raise TypeError(f"start must be callable, got {self.start!r}")
        if not isinstance(self.args, tuple):
            raise TypeError(f"args must be a tuple, got {self.args!r}")
        _check_word("restart", self.restart, get_args(Restart))
        _check_word("type", self.type, get_args(ChildType))
        _check_shutdown(self.shutdown)
        if not isinstance(self.significant, bool):
            raise TypeError(f"significant must be a bool, got {self.significant!r}")
        if self.significant and self.restart == "permanent":
            raise ValueError(
                "significant must be False for a permanent child, got True"
            )


class StartWith:
    """A start with its options: what a child specification starts."""

    def __init__(self, start: Any, options: dict[str, Any]) -> None:
        self.start = start
        self.options = options

    @property
    def __self__(self) -> Any:
        return self.start.__self__

    def __call__(self, *args: Any) -> Any:
        return self.start(*args, **self.options)


def _check_word(field: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise ValueError(f"{field} must be one of {', '.join(words)}, got {value!r}")


def _check_shutdown(value: object) -> None:
    if value is None or value is BRUTAL_KILL:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"shutdown must be seconds, None or BRUTAL_KILL, got {value!r}")
    check_seconds("shutdown", value)


def child_spec(
    fn: Callable[[*Ts], object],
    *args: *Ts,
    id: Hashable | None = None,
    restart: Restart = "temporary",
    shutdown: Shutdown = 5.0,
    significant: bool = False,
) -> ChildSpec:
    """Return the specification of a child that runs `fn(*args)` as a task.

    Args:
        fn: An async function or a plain function.
        args: Positional arguments of `fn`.
        id: Names the child; None means the qualified name of `fn`.
        restart: See `ChildSpec`; a task is not restarted by default.
        shutdown: See `ChildSpec`.
        significant: See `ChildSpec`.

    Example:
        ```python
        import fastask

        async def poll() -> None: ...

        spec = fastask.child_spec(poll, restart="permanent")
        assert spec.id == "poll" and spec.shutdown == 5.0
        ```

    Elixir: `Task.child_spec/1`.
    """
    if not callable(fn):
        raise TypeError(f"fn must be a function, got {fn!r}")
    return ChildSpec(
        id=function_name(fn) if id is None else id,
        start=start_link,
        args=(fn, *args),
        restart=restart,
        shutdown=shutdown,
        significant=significant,
    )
