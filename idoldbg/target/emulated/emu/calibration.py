"""Finds what Unicorn has and does not offer: instruction counts, MPU registers, fault addresses.

All of it depends on how Unicorn lays out its memory, so nothing is assumed. A field is looked for
with values that were put there through the public interface; memory is only read inside an
allocation whose size the allocator confirms, or a mapping that the system lists as ours. What is
not found stays out of use, and says so in `Calibration.notices`.

Field order, from QEMU 5.0's target/arm/cpu.h as Unicorn 2.1.4 builds it: `v7m { … mpu_ctrl[2],
exception, primask[2] … }`; `exception { u32 syndrome, u32 fsr, u64 vaddress }`; near the end
`u64 features; pmsav7 { *drbar, *drsr, *dracr, u32 rnr[2] }; pmsav8 { *rbar[2], *rlar[2] … }`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unicorn import arm_const as arm
from unicorn.unicorn_const import UC_CTL_TLB_FLUSH, UC_HOOK_INTR
from unicorn.unicorn_py3 import unicorn as binding

__all__ = ["Calibration", "MpuArrays", "SavedContext", "calibrate"]

REGIONS = 8
_FLUSH_TLB = (1 << 30) | UC_CTL_TLB_FLUSH
_library: Any = binding.uclib
_SCRATCH = 0x60000000


@dataclass(slots=True)
class MpuArrays:
    """The region registers inside QEMU: (RBAR, RLAR) for PMSAv8, (DRBAR, DRSR, DRACR) for v7."""

    addresses: tuple[int, ...]

    def write(self, *arrays: Sequence[int]) -> None:
        """Set all regions; needs a TLB flush to take effect."""
        for address, values in zip(self.addresses, arrays, strict=True):
            ctypes.memmove(address, struct.pack(f"<{REGIONS}I", *values), 4 * REGIONS)

    def clear(self) -> None:
        """Disable all regions."""
        for address in self.addresses:
            ctypes.memset(address, 0, 4 * REGIONS)


class SavedContext:
    """Fields of the CPU state that only a saved context shows."""

    def __init__(self, uc: Any) -> None:
        self._context = uc.context_save()
        raw = self._context.context
        self._address: int = raw.value if hasattr(raw, "value") else raw
        self.size: int = self._context.size
        self.mpu_control_offset: int | None = None
        self.fault_offset: int | None = None

    def snapshot(self, uc: Any) -> bytes:
        """Return the whole context."""
        uc.context_update(self._context)
        return ctypes.string_at(self._address, self.size)

    def fault(self, uc: Any) -> tuple[int, int]:
        """Return the last abort's address and fault status; (0, 0) where they cannot be had."""
        if self.fault_offset is None:
            return 0, 0
        uc.context_update(self._context)
        data = ctypes.string_at(self._address + self.fault_offset, 16)
        _, status, address = struct.unpack("<IIQ", data)
        return address & 0xFFFFFFFF, status

    def set_mpu_control(self, uc: Any, value: int) -> None:
        """Set MPU_CTRL of both security states."""
        if self.mpu_control_offset is None:
            return
        uc.context_update(self._context)
        data = struct.pack("<II", value, value)
        ctypes.memmove(self._address + self.mpu_control_offset, data, len(data))
        uc.context_restore(self._context)


@dataclass(slots=True)
class Calibration:
    """Offsets found on this platform; `notices` says what was not found."""

    context: SavedContext
    counter: Any = None
    """Two machine words, instructions executed and their limit, live; None if not found."""
    mpu: MpuArrays | None = None
    notices: list[str] = field(default_factory=list)


def calibrate(uc: Any, *, v8m: bool) -> Calibration:
    """Look for all fields in a Unicorn instance that has no memory mapped yet."""
    result = Calibration(SavedContext(uc))
    result.counter = _find_counter(uc)
    if result.counter is None:
        result.notices.append(
            "instructions cannot be counted on this platform: virtual time is approximate"
        )
    _find_context_fields(uc, result.context)
    if result.context.mpu_control_offset is not None and result.context.fault_offset is not None:
        result.mpu = _find_mpu(uc, result.context, v8m=v8m)
    if result.mpu is None:
        result.notices.append(
            "the MPU cannot be reached on this platform: tasks run without memory protection, "
            "so that a wrong access by one of them goes unnoticed"
        )
    return result


def _find_counter(uc: Any) -> Any:
    handle = uc._uch
    address = handle.value if hasattr(handle, "value") else handle
    size = _allocation_size(address)
    if size is None:
        return None
    uc.mem_map(_SCRATCH, 0x1000)
    uc.mem_write(_SCRATCH, b"\x00\xbf" * 0x200)  # NOP
    candidates: set[int] | None = None
    for count in (37, 53, 211):
        uc.emu_start(_SCRATCH | 1, 0xFFFFFFFC, 0, count)
        data = ctypes.string_at(address, size)
        pattern = struct.pack("@NN", count + 1, count)
        found = {at for at in range(0, size - 16, 8) if data[at : at + 16] == pattern}
        candidates = found if candidates is None else candidates & found
    uc.mem_unmap(_SCRATCH, 0x1000)
    uc.ctl_flush_tb()
    if candidates is None or len(candidates) != 1:
        return None
    return (ctypes.c_size_t * 2).from_address(address + candidates.pop())


def _allocation_size(address: int) -> int | None:
    """Ask the C library how large the allocation at `address` is; None if it cannot say."""
    if sys.platform == "win32":
        return None  # which of several C libraries allocated it is unknown
    library = ctypes.CDLL(None)
    for name in ("malloc_usable_size", "malloc_size"):  # glibc and musl; macOS
        function = getattr(library, name, None)
        if function is not None:
            function.argtypes = [ctypes.c_void_p]
            function.restype = ctypes.c_size_t
            size = int(function(address))
            return size if 512 <= size <= 1 << 20 else None
    return None


def _find_context_fields(uc: Any, context: SavedContext) -> None:
    """Find MPU_CTRL and the fault registers by writing magic values through the register API."""
    uc.reg_write(arm.UC_ARM_REG_IPSR, 0x155)
    uc.reg_write(arm.UC_ARM_REG_PRIMASK, 1)
    marked = context.snapshot(uc)
    uc.reg_write(arm.UC_ARM_REG_PRIMASK, 0)
    uc.reg_write(arm.UC_ARM_REG_IPSR, 0)
    cleared = context.snapshot(uc)
    pattern = struct.pack("<I", 0x155)
    found = [
        at
        for at in range(8, len(marked) - 12, 4)
        if marked[at : at + 4] == pattern
        and cleared[at : at + 4] == bytes(4)
        and marked[at + 4 : at + 12] != cleared[at + 4 : at + 12]
    ]
    if len(found) == 1 and cleared[found[0] - 8 : found[0]] == bytes(8):
        context.mpu_control_offset = found[0] - 8
    magic = struct.pack("<I", 0x5AC3A53C)
    uc.reg_write(arm.UC_ARM_REG_ESR, 0x5AC3A53C)
    marked = context.snapshot(uc)
    uc.reg_write(arm.UC_ARM_REG_ESR, 0)
    if marked.count(magic) == 1:
        at = marked.index(magic)
        if at % 8 == 0:
            context.fault_offset = at


def _find_mpu(uc: Any, context: SavedContext, *, v8m: bool) -> MpuArrays | None:
    data = context.snapshot(uc)
    heap = _writable_mappings()

    def is_pointer(value: int) -> bool:
        return value % 4 == 0 and any(low <= value <= high - 64 for low, high in heap)

    assert context.fault_offset is not None
    for at in range(context.fault_offset, len(data) - 72, 8):
        words = struct.unpack_from("<9Q", data, at)
        if v8m:
            # drbar drsr dracr rnr | rbar[NS] rbar[S] rlar[NS] rlar[S]
            if not any(words[:4]) and all(map(is_pointer, words[4:8])):
                pointers = (words[5], words[7])
                break
        elif all(map(is_pointer, words[:3])) and not any(words[3:8]):
            pointers = words[:3]
            break
    else:
        return None
    arrays = MpuArrays(tuple(pointers))
    blank = bytes(4 * REGIONS)
    if any(ctypes.string_at(address, len(blank)) != blank for address in arrays.addresses):
        return None
    try:
        works = _mpu_works(uc, context, arrays, v8m=v8m)
    finally:
        arrays.clear()
        _library.uc_ctl(uc._uch, _FLUSH_TLB)
    return arrays if works else None


def _writable_mappings() -> list[tuple[int, int]]:
    """Return the process's writable mappings as (start, end); empty where there is no /proc."""
    try:
        lines = Path("/proc/self/maps").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return []
    result = []
    for line in lines:
        span, permissions = line.split(maxsplit=2)[:2]
        if permissions.startswith("rw"):
            low, _, high = span.partition("-")
            result.append((int(low, 16), int(high, 16)))
    return result


def _mpu_works(uc: Any, context: SavedContext, arrays: MpuArrays, *, v8m: bool) -> bool:
    """Let an unprivileged program store inside and outside a region, and see which store faults."""
    uc.mem_map(_SCRATCH, 0x2000)
    uc.mem_write(_SCRATCH, bytes.fromhex("01600a60 00bf00bf"))  # str r1,[r0]; str r2,[r1]
    code, data = _SCRATCH, _SCRATCH + 0x1000
    if v8m:
        arrays.write(
            [code | 0b110, data | 0b011, *[0] * 6],
            [code + 0x3E0 | 1, data + 0x20 | 1, *[0] * 6],
        )
    else:
        arrays.write(
            [code, data, *[0] * 6],
            [9 << 1 | 1, 5 << 1 | 1, *[0] * 6],
            [0x0600, 0x1300, *[0] * 6],
        )
    end = data + 0x40
    pristine = uc.context_save()
    context.set_mpu_control(uc, 0b101)
    _library.uc_ctl(uc._uch, _FLUSH_TLB)
    faults: list[tuple[int, int]] = []

    def on_interrupt(uc: Any, number: int, _data: Any) -> None:
        faults.append((number, context.fault(uc)[0]))
        uc.emu_stop()

    hook = uc.hook_add(UC_HOOK_INTR, on_interrupt)
    try:
        uc.reg_write(arm.UC_ARM_REG_R0, end - 4)
        uc.reg_write(arm.UC_ARM_REG_R1, end)
        uc.reg_write(arm.UC_ARM_REG_CONTROL, 1)
        uc.reg_write(arm.UC_ARM_REG_APSR_NZCV, 0)
        uc.emu_start(code | 1, 0xFFFFFFFC, 0, 2)
        stored = struct.unpack("<I", uc.mem_read(end - 4, 4))[0] == end
        return faults == [(4, end)] and stored  # 4: a data abort
    except binding.UcError:
        return False
    finally:
        uc.hook_del(hook)
        uc.context_restore(pristine)
        uc.mem_unmap(_SCRATCH, 0x2000)
        uc.ctl_flush_tb()
