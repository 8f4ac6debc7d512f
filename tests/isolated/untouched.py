"""What fastask changes in asyncio: nothing. Prints the names that are not as before."""

from __future__ import annotations

import asyncio
import json
import sys
import types

Snapshot = dict[tuple[str, str], object]


async def nothing() -> None:
    await asyncio.sleep(0)


def snapshot() -> Snapshot:
    """Every attribute of every module and class of asyncio."""
    found: Snapshot = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] not in ("asyncio", "_asyncio"):
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, types.ModuleType):
                continue
            found[module_name, name] = value
            if isinstance(value, type):
                for attribute, member in list(vars(value).items()):
                    found[f"{module_name}.{name}", attribute] = member
    return found


def warm_up() -> None:
    """Let asyncio make whatever it makes only once."""
    for _ in range(2):
        asyncio.run(nothing())


def main() -> None:
    warm_up()
    before = snapshot()

    import fastask

    async def double(item: int) -> int:
        return item * 2

    async def program() -> int:
        process, ref = fastask.spawn_monitor(double, 1)
        await fastask.receive(ref)
        return await fastask.async_(double, 2)

    assert asyncio.run(program()) == 4
    assert fastask.run(program) == 4
    during = snapshot()
    places = {place for place, _ in before}
    changed = sorted(
        f"{place}.{name}"
        for place, name in before.keys() | during.keys()
        if place in places
        and before.get((place, name)) is not during.get((place, name))
    )
    print(json.dumps({"changed": changed}))


if __name__ == "__main__":
    main()
