"""Arguments have the names that the documentation spells, and can be given by them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import fastask
from fastask import (
    DynamicSupervisor,
    Supervisor,
    child_spec,
    link,
    receive,
    register,
    self_,
    sleep,
    unlink,
    unregister,
    whereis,
)

NAMES: list[tuple[Callable[..., Any], str]] = [
    (fastask.send, "dest message"),
    (fastask.sleep, "seconds"),
    (fastask.link, "p"),
    (fastask.unlink, "p"),
    (fastask.monitor, "dest alias"),
    (fastask.demonitor, "ref flush"),
    (fastask.exit, "dest reason"),
    (fastask.trap_exit, "flag"),
    (fastask.alias, "mode"),
    (fastask.unalias, "ref"),
    (fastask.send_after, "dest message seconds absolute"),
    (fastask.start_timer, "seconds dest message"),
    (fastask.register, "name p"),
    (fastask.unregister, "name"),
    (fastask.whereis, "name"),
    (fastask.process_info, "p"),
    (fastask.set_label, "label"),
    (fastask.await_, "task timeout"),
    (fastask.await_many, "tasks timeout"),
    (fastask.yield_, "task timeout"),
    (fastask.yield_many, "tasks timeout limit on_timeout"),
    (fastask.shutdown, "task timeout"),
    (fastask.ignore, "task"),
    (fastask.find, "tasks message"),
    (Supervisor.start_child, "self spec"),
    (Supervisor.terminate_child, "self id"),
    (Supervisor.restart_child, "self id"),
    (Supervisor.delete_child, "self id"),
    (DynamicSupervisor.start_child, "self spec"),
    (DynamicSupervisor.terminate_child, "self p"),
    (fastask.TaskSupervisor.terminate_child, "self p"),
    (fastask.Registry.put_meta, "self key v"),
    (fastask.GenServer.handle_continue, "self arg"),
    (fastask.TaskRunner.handle_message, "self message"),
    (fastask.TaskRunner.stop, "self kill"),
]


@pytest.mark.parametrize(("verb", "names"), NAMES)
def test_arguments_have_the_names_of_the_documentation(
    verb: Callable[..., Any], names: str
) -> None:
    assert list(inspect.signature(verb).parameters) == names.split()


class TestByName:
    async def test_a_process_is_linked_and_unlinked(self) -> None:
        process = fastask.spawn(receive)
        link(p=process)
        unlink(p=process)
        fastask.send(process, "end")

        await process

    async def test_a_process_is_registered(self) -> None:
        register("name", p=self_())

        assert whereis("name") is self_()
        unregister("name")

    @pytest.mark.parametrize("supervisor", [Supervisor([]), DynamicSupervisor()])
    async def test_a_child_is_started(self, supervisor: Any) -> None:
        async with supervisor._twin() as running:
            assert await running.start_child(spec=child_spec(sleep, None))
