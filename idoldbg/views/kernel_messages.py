"""Messages to the kernel itself, which has no interface in Idol.

Numbers, arguments and answers are those of Hubris's `sys/userlib/src/kipc.rs`: packed integers, or
ssmarshal where `abi` has a type.
"""

from __future__ import annotations

from idoldbg.build.program import Program
from idoldbg.call import codec
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import CEnum, Enumerator, Scalar, ScalarKind, Struct
from idoldbg.model.values import Bool, EnumValue, Int, Text, Value
from idoldbg.views.tasks import task_type

__all__ = ["KernelMessages"]

_U32 = Scalar("u32", 4, ScalarKind.UNSIGNED)
_BOOL = Scalar("bool", 1, ScalarKind.BOOL)
_TEXT = Struct("&str", 8, ())
_TASK, _FLAG, _NUMBER = "task", "flag", "number"

# Number → its name, and the names and kinds of its arguments; those without are not decoded.
_MESSAGES: dict[int, tuple[str, tuple[tuple[str, str], ...] | None]] = {
    1: ("read_task_status", (("task", _TASK),)),
    2: ("reinit_task", (("task", _TASK), ("start", _FLAG))),
    3: ("fault_task", (("task", _TASK),)),
    4: ("read_image_id", ()),
    5: ("system_restart", ()),
    6: ("get_task_dump_region", (("task", _TASK), ("region", _NUMBER))),
    7: ("read_task_dump_region", None),
    8: ("software_irq", (("task", _TASK), ("notification", _NUMBER))),
    9: ("find_faulted_task", (("from", _TASK),)),
    10: ("read_panic_message", (("task", _TASK),)),
}
_SIZES = {_TASK: 4, _NUMBER: 4, _FLAG: 1}


class KernelMessages:
    """Decodes what tasks ask the kernel."""

    def __init__(self, program: Program) -> None:
        self._program = program
        names = tuple(task.name for task in program.archive.tasks)
        self._tasks = CEnum("task", 4, False, tuple(Enumerator(n, i) for i, n in enumerate(names)))
        self._names = names

    def name(self, code: int) -> str:
        """Return the name of a message; `#` and its number where it has none here."""
        return _MESSAGES[code][0] if code in _MESSAGES else f"#{code}"

    def arguments(self, code: int, data: bytes) -> tuple[tuple[str, Value], ...] | None:
        """Return the arguments of a message, None where it is not as it should be."""
        parts = _MESSAGES.get(code, ("", None))[1]
        if parts is None or len(data) != sum(_SIZES[kind] for _, kind in parts):
            return None
        found, at = [], 0
        for name, kind in parts:
            number = int.from_bytes(data[at : at + _SIZES[kind]], "little")
            at += _SIZES[kind]
            if kind == _TASK:
                value = self._task(number)
            else:
                value = Bool(_BOOL, bool(number)) if kind == _FLAG else Int(_U32, number)
            found.append((name, value))
        return tuple(found)

    def answer(self, code: int, data: bytes) -> Value | None:
        """Return what the kernel answered, None where that stays bytes."""
        match code:
            case 1:
                return self._status(data)
            case 9 if len(data) == 4:
                number = int.from_bytes(data, "little")
                return self._task(number) if number else Int(_U32, 0)  # 0: none has faulted
            case 10:
                return Text(_TEXT, data.decode(errors="replace"))
        return None

    def _task(self, number: int) -> Value:
        if number < len(self._names):
            return EnumValue(self._tasks, self._names[number], number)
        return Int(_U32, number)

    def _status(self, data: bytes) -> Value | None:
        try:
            state = next(m.type for m in task_type(self._program).members if m.name == "state")
            return codec.for_encoding("ssmarshal").decode(state, data)
        except (IdoldbgError, StopIteration):
            return None
