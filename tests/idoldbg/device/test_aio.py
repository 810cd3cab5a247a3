"""Awaited calls: several boards at once, cancelling, closing."""

from __future__ import annotations

import asyncio
import threading

import pytest

import idoldbg
from idoldbg import errors
from idoldbg.target.emulated.link import EmulatedLink


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


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Opened; boards of this process stand still while it is closed."""
    gate = Gate()
    wait = EmulatedLink.wait

    def wait_at_gate(link: EmulatedLink, seconds: float) -> None:
        gate.reached.set()
        gate.opened.wait()
        wait(link, seconds)

    monkeypatch.setattr(EmulatedLink, "wait", wait_at_gate)
    return gate


class Gate:
    """`reached` when somebody waits for a board."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.opened.set()

    async def is_reached(self) -> None:
        self.reached.clear()
        await asyncio.to_thread(self.reached.wait)


def test_a_cancelled_call_is_given_up_and_the_next_one_works(gate: Gate) -> None:
    async def main() -> None:
        with idoldbg.attach(board="lpcxpresso55s69", timeout_s=30) as dev:
            await dev.aio.Sensor.get(id=0)
            gate.opened.clear()
            hang = asyncio.create_task(dev.aio["victim"].Victim.hang(milliseconds=120))
            waiting = asyncio.create_task(dev.aio.Sensor.get(id=0))
            never = asyncio.create_task(dev.aio.Sensor.get(id=9))
            await gate.is_reached()
            hang.cancel()
            never.cancel()
            with pytest.raises(asyncio.CancelledError):
                await hang
            with pytest.raises(asyncio.CancelledError):
                await never
            gate.opened.set()
            assert (await waiting).value == 21.5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await dev.aio["victim"].Victim.hang(milliseconds=100_000)

    asyncio.run(main())


def test_a_call_cancelled_before_its_turn_is_not_made() -> None:
    async def main() -> None:
        with idoldbg.attach() as dev:
            dev.Sensor.post(id=2, value=1.0)
            with dev._core.turns.turn, dev._core.turns.names:
                late = asyncio.create_task(dev.aio.Sensor.post(id=2, value=2.0))
                await asyncio.sleep(0.1)  # its thread waits for this one, or has yet to begin
                late.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await late
            assert (await dev.aio.Sensor.get(id=2)).value == 1.0

    asyncio.run(main())


def test_closing_ends_running_calls_and_leaves_no_thread(gate: Gate) -> None:
    async def main() -> None:
        dev = idoldbg.attach(board="lpcxpresso55s69", timeout_s=60)
        hang = asyncio.create_task(dev.aio["victim"].Victim.hang(milliseconds=1_000_000))
        await gate.is_reached()
        await asyncio.to_thread(dev.close)
        with pytest.raises(errors.LinkError, match="given up"):
            await hang
        with pytest.raises(errors.LinkError, match="closed"):
            await dev.aio.Sensor.get(id=0)

    before = set(threading.enumerate())
    asyncio.run(main())
    assert set(threading.enumerate()) <= before


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
