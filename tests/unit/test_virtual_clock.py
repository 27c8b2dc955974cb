"""The clock on which tasks overlap without waiting."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ai_energy_benchmarks.load.closed_loop import closed_loop
from ai_energy_benchmarks.load.self_check import SelfCheck
from ai_energy_benchmarks.testing import VirtualClock


def test_sleeps_overlap() -> None:
    """Whoever sleeps shorter wakes earlier, whatever the order of going to sleep; the clock shows when."""
    clock, woken = VirtualClock(), list[tuple[str, float]]()

    async def sleeper(name: str, *seconds: float) -> None:
        for each in seconds:
            await clock.sleep(each)
            woken.append((name, clock.now_s()))

    async def main() -> None:
        await asyncio.gather(sleeper("a", 3600.0), sleeper("b", 1.0, 2.0), sleeper("c", 2.5, 0.0))

    asyncio.run(main())
    assert woken == [("b", 1.0), ("c", 2.5), ("c", 2.5), ("b", 3.0), ("a", 3600.0)]


def test_time_stands_still_while_a_task_can_go_on() -> None:
    """However many turns of the event loop it takes."""
    clock, seen_s = VirtualClock(), list[float]()

    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        seen_s.append(clock.now_s())

    async def main() -> None:
        await asyncio.gather(clock.sleep(10.0), busy())

    asyncio.run(main())
    assert seen_s == [0.0]
    assert clock.time_s == 10.0


def test_who_was_cancelled_in_its_sleep_moves_no_clock() -> None:
    """Its hour does not pass."""
    clock = VirtualClock()

    async def main() -> None:
        task = asyncio.ensure_future(clock.sleep(3600.0))
        await clock.sleep(1.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await clock.sleep(1.0)

    asyncio.run(main())
    assert clock.time_s == 2.0


def test_a_closed_loop_runs_on_it() -> None:
    """Ten clients that each wait a second for one of a hundred answers need ten seconds; the client is never late."""
    clock = VirtualClock()
    check = SelfCheck(10, clock)

    async def answer(_: object) -> tuple[()]:
        await clock.sleep(1.0)
        return ()

    async def main() -> None:
        async with check:
            await closed_loop(range(100), answer, 10, lambda _: None)  # type: ignore[arg-type] # numbers for batches

    asyncio.run(main())
    assert clock.time_s == 10.0
    assert check.result is not None
    assert check.result.loop_lag_s < 1e-9


def test_it_can_be_used_in_a_second_loop() -> None:
    """Time goes on where it stood, also where a task was left in its sleep."""
    clock = VirtualClock()

    async def hasty() -> None:
        asyncio.ensure_future(clock.sleep(3600.0))  # noqa: RUF006 - left behind on purpose
        await clock.sleep(5.0)

    asyncio.run(hasty())
    asyncio.run(clock.sleep(5.0))
    assert clock.time_s == 10.0
