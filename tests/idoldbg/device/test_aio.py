"""Awaited calls: several boards at once, cancelling, closing."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

import idoldbg
from idoldbg import errors


def test_several_boards_at_once() -> None:
    async def main() -> None:
        boards = ["stm32f4-discovery", "lpcxpresso55s69", "nucleo-g031"]
        devices = [idoldbg.attach(board=board) for board in boards]
        try:
            replies = await asyncio.gather(
                *(dev.aio.Sensor.get(id=0) for dev in devices for _ in range(3)),
                *(dev.aio["victim"].Victim.ping() for dev in devices),
            )
            assert [r.value for r in replies] == [21.5] * 9 + [1] * 3
            with pytest.raises(devices[0].Spi.errors.BadDevice):
                await devices[0].aio.Spi.exchange(device_index=7, sink=1)
            assert not (await devices[1].aio.Spi.exchange.try_(7, b"", 1)).is_ok
        finally:
            for dev in devices:
                dev.close()

    asyncio.run(main())


def test_a_cancelled_call_is_given_up_and_the_next_one_works() -> None:
    async def main() -> None:
        with idoldbg.attach(board="lpcxpresso55s69", timeout_s=30) as dev:
            await dev.aio.Sensor.get(id=0)
            hang = asyncio.create_task(dev.aio["victim"].Victim.hang(milliseconds=120))
            waiting = asyncio.create_task(dev.aio.Sensor.get(id=0))
            never = asyncio.create_task(dev.aio.Sensor.get(id=9))
            await asyncio.sleep(0.05)
            hang.cancel()
            never.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hang
            with pytest.raises(asyncio.CancelledError):
                await never
            assert (await waiting).value == 21.5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await dev.aio["victim"].Victim.hang(milliseconds=100_000)

    asyncio.run(main())


def test_a_call_cancelled_before_its_turn_is_not_made() -> None:
    async def main() -> None:
        with idoldbg.attach() as dev:
            dev.Sensor.post(id=2, value=1.0)
            with dev._core.exclusive():
                late = asyncio.create_task(dev.aio.Sensor.post(id=2, value=2.0))
                await asyncio.sleep(0.1)  # its thread waits for this one
                late.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await late
            assert (await dev.aio.Sensor.get(id=2)).value == 1.0

    asyncio.run(main())


def test_closing_ends_what_is_under_way_and_leaves_no_thread() -> None:
    async def main() -> None:
        dev = idoldbg.attach(board="lpcxpresso55s69", timeout_s=60)
        hang = asyncio.create_task(dev.aio["victim"].Victim.hang(milliseconds=1_000_000))
        await asyncio.sleep(0.2)
        begin = time.monotonic()
        await asyncio.to_thread(dev.close)
        assert time.monotonic() - begin < 5
        with pytest.raises(errors.LinkError, match="given up"):
            await hang
        with pytest.raises(errors.LinkError, match="closed"):
            await dev.aio.Sensor.get(id=0)

    before = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() == before


def test_threads_take_turns() -> None:
    with idoldbg.attach() as dev:
        found: list[bytes] = []

        def work(index: int) -> None:
            for _ in range(5):
                data = bytes([index] * 4)
                found.append(dev.Spi.exchange(1, data, 4).leases.sink)
                assert found[-1:] != []

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found) == sorted([bytes([i] * 4) for i in range(3)] * 5)
