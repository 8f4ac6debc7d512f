"""What supervisors and registries share: an object through which a process is used."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from fastask._core.call import call_server, stop_server, stop_soon
from fastask._core.errors import (
    AlreadyStartedError,
    CallError,
    CallTimeoutError,
    NoProcessError,
    UnknownNameError,
)
from fastask._core.message import Exited
from fastask._core.names import Located, whereis
from fastask._core.process import Process
from fastask._core.reason import NOPROC, NORMAL, SHUTDOWN, is_expected, normalise
from fastask._core.receive import receive, receive_even_in_exit
from fastask._core.server import is_server, served_by, start_server
from fastask._core.verb import demonitor, exit, monitor, self_, trap_exit, untie
from fastask._core.wait import passed_on
from fastask.spec import ChildSpec, Restart, Shutdown, StartWith

S = TypeVar("S")
Starting = Coroutine[Any, Any, Process[None] | None]


class Service(Located, Generic[S]):
    """An object through which a process of ours is started, reached and stopped.

    It holds what the process is started with, and knows the process that was started
    last; or it holds a name, and looks the process up at every use.
    """

    _server: ClassVar[type]
    _supervises: ClassVar[bool] = True

    name: Hashable | None = None
    _process: Process[None] | None = None
    _starter: Process[Any] | None = None
    _dest: Hashable | None = None

    @classmethod
    def start_link(cls, *args: Any, **options: Any) -> Coroutine[Any, Any, Self]:
        """Make one of these arguments and start it, linked to the caller.

        The caller is who calls this, also where `asyncio.gather` awaits it.

        Args:
            args: Of the class.
            options: Of the class.

        Returns:
            The object, started.

        Raises:
            AlreadyStartedError: If the name is taken.
            StartError: If it, or a child of it, did not start.
            TypeError: If an argument is of a wrong type.
            ValueError: If an option has no such value.
        """
        return cls(*args, **options)._start()

    @classmethod
    def ref(cls, name: Hashable) -> Self:
        """Return an object for one that runs and has that name.

        The name is looked up at every use, which raises `UnknownNameError` when nobody
        has it then.

        Args:
            name: A registered name, a `Via`, or an `Address` of this node.
        """
        service = cls.__new__(cls)
        service._dest = name
        return service

    @classmethod
    def child_spec(
        cls,
        *args: Any,
        id: Hashable | None = None,
        restart: Restart = "permanent",
        shutdown: Shutdown = None,
        significant: bool = False,
        **options: Any,
    ) -> ChildSpec:
        """Return how a supervisor starts one of these.

        Args:
            args: Of the class.
            id: Names the child; None means the name among the options, else the class.
            restart: See `ChildSpec`.
            shutdown: See `ChildSpec`; no limit by default, as it has children to stop.
            significant: See `ChildSpec`.
            options: Of the class.

        Elixir: `Supervisor.child_spec/2`.
        """
        if id is None:
            id = options.get("name")
        return ChildSpec(
            id=cast(Hashable, cls) if id is None else id,
            start=StartWith(cls.start_link, options) if options else cls.start_link,
            args=args,
            restart=restart,
            shutdown=shutdown,
            type="supervisor",
            significant=significant,
        )

    def _child_spec(self) -> ChildSpec:
        """Return how a supervisor starts this one."""
        if self._dest is not None:
            raise TypeError(f"a child must not be a reference, got {self!r}")
        return ChildSpec(
            id=cast(Hashable, type(self)) if self.name is None else self.name,
            start=self._start,
            shutdown=None,
            type="supervisor",
        )

    @property
    def process(self) -> Process[None] | None:
        """The process, or None when it was not started, or nobody has the name."""
        if self._dest is not None:
            return whereis(self._dest)
        return self._process

    def whereis(self) -> Process[None] | None:
        """Return the process: the object itself is a destination, too."""
        process = self.process
        return process if process is not None and process.alive else None

    def __repr__(self) -> str:
        """Tell the class, and the process or the name."""
        where = self._process if self._dest is None else f"ref {self._dest!r}"
        return f"<{type(self).__qualname__} {where if where else 'not started'}>"

    async def __aenter__(self) -> Self:
        """Start it, linked to the caller."""
        return await self._start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it in order; it has ended when this returns, whatever ended the block.

        An exit signal, or a cancellation, that comes meanwhile is raised afterwards.
        """
        process = self._process
        if process is None or not process.alive:
            return
        stop_soon(process, NORMAL)
        untie(self_(), process)
        if self._starter is not None:
            untie(self._starter, process)
        ref = monitor(process)
        interruption = None
        while process.alive:
            try:
                await receive_even_in_exit(ref)
            except asyncio.CancelledError as caught:
                interruption = caught
        demonitor(ref, flush=True)
        if interruption is not None:
            raise interruption

    async def stop(self, reason: Any = NORMAL, timeout: float | None = None) -> None:
        """Stop it in order, and wait until it has ended.

        Args:
            reason: The exit reason.
            timeout: Seconds, or None for no limit; it is not killed when they are over.

        Raises:
            NoProcessError: If it has ended before.
            UnknownNameError: If nobody has the name.
            CallError: If it ended with another reason.
            CallTimeoutError: If it did not end in time.
        """
        process = self._target()
        try:
            await stop_server(process, normalise(reason), timeout)
        except CallError as error:
            if error.reason is NOPROC:
                raise self._gone() from None
            raise

    async def _run_as_root(self) -> None:
        """Run as an application, see `fastask.run`."""
        process = (await self._start()).process
        assert process is not None
        trap_exit(True)
        message = await receive(
            lambda m: isinstance(m, Exited) and m.process in (None, process)
        )
        if message.process is None:  # a signal of the operating system
            exit(process, SHUTDOWN)
            message = await receive(
                lambda m: isinstance(m, Exited) and m.process is process
            )
        self._judge(message.reason)

    def _judge(self, reason: Any) -> None:
        """Raise where the end of an application for `reason` was not in order."""
        if self._gave_up or not is_expected(reason):
            raise SystemExit(1)

    # For the classes that inherit.

    _gave_up = False

    def _start(self) -> Coroutine[Any, Any, Self]:
        """Return what starts it when awaited, linked to who calls this."""
        if self._dest is not None:
            raise TypeError(f"{self!r} is a reference, and cannot be started")
        if self._process is not None and self._process.alive:
            raise AlreadyStartedError(
                f"{self!r} has been started already", process=self._process
            )
        kind = type(self)
        start = start_server(
            self._server, (self,), self.name, None, True, self._supervises, kind
        )
        return self._started(passed_on(start), self_())

    async def _started(self, start: Starting, starter: Process[Any]) -> Self:
        self._process = await start
        self._starter = starter
        return self

    def _twin(self) -> Self:
        """Return another one with the same options, that is not started."""
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        twin._process = twin._starter = None
        return twin

    def _target(self) -> Process[None]:
        """Return the process, or raise that there is none."""
        process = self.process
        if process is None and self._dest is not None:
            raise UnknownNameError(f"nobody has the name {self._dest!r}")
        if process is None or not process.alive:
            raise self._gone()
        return process

    def _served(self) -> S:
        """Return what the process serves, which holds its tables."""
        process = self._target()
        served = self._checked_served(process)
        if served is None:
            raise NoProcessError(f"{self!r} must be running, and it is starting")
        return cast(S, served)

    def _checked_served(self, process: Process[None]) -> Any:
        """Return what a process serves, or None while it starts."""
        served = served_by(process)
        is_other = served is not None and not isinstance(served, self._server)
        if is_other or not is_server(process):
            raise TypeError(
                f"{process!r} must be a {type(self).__qualname__}, and it is not"
            )
        return served

    async def _ask(self, *request: Any) -> Any:
        """Ask the process, which answers with `Ok` or `Failed`.

        One that is starting, or busy, answers when it can.
        """
        process = self._target()
        self._checked_served(process)
        try:
            outcome = await call_server(process, request, None)
        except CallTimeoutError:
            raise
        except CallError as error:
            if error.reason == "calling_self":
                raise
            raise self._gone() from error
        return outcome.unwrap()

    def _gone(self) -> NoProcessError:
        is_new = self._process is None and self._dest is None
        what = "has not been started" if is_new else "has ended"
        return NoProcessError(f"{self!r} must be running, and it {what}")


# What it returns is awaited in the process whose function it is.
vars(Service)["start_link"].__func__.__fastask_wait__ = True
