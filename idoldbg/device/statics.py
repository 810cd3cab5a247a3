"""Methods of a device that read the firmware's statics."""

from __future__ import annotations

from idoldbg.device.core import Core, in_turn
from idoldbg.device.shown import shown, shown_rows
from idoldbg.model.values import Value
from idoldbg.render import counters, ring_buffers, sensors, task_calls, variables
from idoldbg.views.counters import (
    CounterStatic,
    find_counters,
    read_counter_statics,
    select_counters,
)
from idoldbg.views.parts import VarRead, evaluate
from idoldbg.views.ring_buffers import RingBuffer, read_ring_buffers, select_ring_buffers
from idoldbg.views.sensors import Reading, read_sensors
from idoldbg.views.task_calls import TaskCalls, read_task_calls
from idoldbg.views.variables import VariableList, list_variables

__all__ = ["StaticsReader"]


class StaticsReader:
    """Variables, counters and ring buffers; read while no other thread makes a call."""

    _core: Core

    @in_turn
    def ringbufs(self, *filters: str) -> tuple[RingBuffer, ...]:
        """Read the ring buffers, each of which prints itself; filters as `select_ring_buffers`."""
        rings = select_ring_buffers(read_ring_buffers(self._core.program), filters)
        return shown_rows(rings, ring_buffers.text)

    @in_turn
    def counters(self, *filters: str) -> tuple[CounterStatic, ...]:
        """Read the event counters, which print themselves; filters as `select_counters`."""
        sets = select_counters(find_counters(self._core.program), filters)
        statics = read_counter_statics(self._core.program, sets)
        return shown_rows(statics, counters.text)

    @in_turn
    def sensors(self, *filters: str) -> tuple[Reading, ...]:
        """Read the last readings of the sensors, which print themselves; filters as `list_sensors`.

        Raises `ArgumentError` for a build without sensors, `NotFound` where it keeps no readings.
        """
        found = read_sensors(self._core.program, filters)
        return shown_rows(found, sensors.text)

    @in_turn
    def task_calls(self) -> TaskCalls:
        """Read which task called which, as both ends counted it."""
        return shown(read_task_calls(self._core.program), task_calls.text)

    @in_turn
    def read_all(self, expression: str) -> tuple[VarRead, ...]:
        """Read every static that an expression means, such as `__RINGBUF.last`; as `evaluate`."""
        return shown_rows(evaluate(self._core.program, expression), variables.text)

    @in_turn
    def read(self, expression: str) -> Value:
        """Read one static or a part of it, such as `net/STATE.phase`.

        Raises `ArgumentError` where several statics have that name, and as `evaluate`.
        """
        (found,) = evaluate(self._core.program, expression, one=True)
        return found.value

    @in_turn
    def variables(self, pattern: str | None = None, *, task: str | None = None) -> VariableList:
        """List the statics of the build; as `list_variables`."""
        return shown(list_variables(self._core.program, pattern, task=task), variables.list_text)
