"""The MPU's registers and rules (PMSAv7 and PMSAv8), apart from who enforces them.

Arm v7-M ARM (DDI 0403) B3.5; Arm v8-M ARM (DDI 0553) B8 and D1.2 (MPU_*). Every access of the
running core is checked by Unicorn with what `unicorn_arrays` returns; `allows` answers for the
accesses that the emulator makes in the core's name, which are exception frames.
"""

from __future__ import annotations

from idol.records import dataclass

__all__ = ["CTRL_ENABLE", "CTRL_PRIVDEFENA", "Mpu", "MpuState", "REGION_COUNT"]

REGION_COUNT = 8
CTRL_ENABLE, CTRL_HFNMIENA, CTRL_PRIVDEFENA = 1, 2, 4
_PAGE = 0x3FF
_USER_READ = (2, 3, 6, 7)  # values of PMSAv7's AP that let unprivileged code read
_USER_WRITE = 3


@dataclass(frozen=True, slots=True)
class MpuState:
    """Saved state."""

    control: int
    number: int
    bases: tuple[int, ...]
    limits: tuple[int, ...]
    attributes: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Region:
    start: int
    last: int
    user_read: bool
    user_write: bool
    disabled_subregions: int = 0

    def holds(self, address: int) -> bool:
        if not self.start <= address <= self.last:
            return False
        if not self.disabled_subregions:
            return True
        eighth = (self.last + 1 - self.start) >> 3
        return not self.disabled_subregions >> (address - self.start) // eighth & 1


class Mpu:
    """MPU registers at their offsets in the system control space (0xd90 to 0xdc4).

    `exact_code` False lets executable regions of PMSAv8 grow to whole pages of 1 KiB where nothing
    else is there: Unicorn runs code in partly covered pages several times slower.
    """

    def __init__(self, *, v8m: bool, exact_code: bool = False) -> None:
        self.v8m = v8m
        self.exact_code = exact_code
        self.reset()

    def reset(self) -> None:
        """Disable the MPU and all regions."""
        self.control = 0
        self.number = 0
        self.bases = [0] * REGION_COUNT
        self.limits = [0] * REGION_COUNT
        self.attributes = [0, 0]
        self.changed = True
        self._regions: list[_Region] | None = None

    @property
    def enabled(self) -> bool:
        """Whether MPU_CTRL.ENABLE is set."""
        return bool(self.control & CTRL_ENABLE)

    def read(self, offset: int) -> int:
        """Return the register at an offset from 0xd90 on."""
        if offset == 0xD90:
            return REGION_COUNT << 8
        if offset == 0xD94:
            return self.control
        if offset == 0xD98:
            return self.number
        if offset >= 0xDC0:
            return self.attributes[(offset - 0xDC0) >> 2 & 1] if self.v8m else 0
        number = self._number(offset)
        if number >= REGION_COUNT:
            return 0
        if (offset - 0xD9C) & 4:
            return self.limits[number]
        return self.bases[number] | (0 if self.v8m else number)

    def write(self, offset: int, value: int) -> None:
        """Write the register at an offset from 0xd94 on."""
        number = self.number
        if offset == 0xDA0 and number < REGION_COUNT:
            self.limits[number] = value
            self.changed = True
            self._regions = None
        elif offset == 0xD98:
            self.number = value & 0xFF
        elif 0xD9C <= offset < 0xDC0:
            self._write_region(offset, value)
        elif offset == 0xD94:
            self.control = value & 7
            self.changed = True
        elif 0xDC0 <= offset <= 0xDC4 and self.v8m:
            self.attributes[(offset - 0xDC0) >> 2] = value

    def _number(self, offset: int) -> int:
        """Return which region a base or limit register is of: MPU_RNR's, or an alias's."""
        alias = (offset - 0xD9C) >> 3
        return self.number & ~3 | alias if alias and self.v8m else self.number

    def _write_region(self, offset: int, value: int) -> None:
        limit = (offset - 0xD9C) & 4
        if not limit and not self.v8m:
            if value & 0x10:
                self.number = value & 0xF
            value &= ~0x1F
        number = self._number(offset)
        if number < REGION_COUNT:
            (self.limits if limit else self.bases)[number] = value
            self.changed = True
            self._regions = None

    def allows(self, address: int, size: int, *, write: bool) -> bool:
        """Return whether unprivileged code may access all of `size` bytes at `address`."""
        if not self.enabled:
            return True
        regions = self._decoded()
        last = address + size - 1
        if self.v8m:
            # The usual case: one region has it all, no other touches it.
            touching = [r for r in regions if r.start <= last and r.last >= address]
            if len(touching) == 1:
                only = touching[0]
                inside = only.start <= address and last <= only.last
                return inside and (only.user_write if write else only.user_read)
        else:
            # The usual case: the highest region that touches it has it all.
            for region in reversed(regions):
                if region.start <= last and region.last >= address:
                    inside = region.start <= address and last <= region.last
                    if inside and not region.disabled_subregions:
                        return region.user_write if write else region.user_read
                    break
        first = address & ~0x1F  # regions and subregions begin at multiples of 32 bytes
        return all(self._allows_at(a, write) for a in range(first, last + 1, 32))

    def _allows_at(self, granule: int, write: bool) -> bool:
        hits = [r for r in self._decoded() if r.holds(granule)]
        if not hits or (self.v8m and len(hits) > 1):
            return False
        return hits[-1].user_write if write else hits[-1].user_read

    def _decoded(self) -> list[_Region]:
        if self._regions is None:
            decode = _decode_v8 if self.v8m else _decode_v7
            pairs = zip(self.bases, self.limits, strict=True)
            self._regions = [decode(base, limit) for base, limit in pairs if limit & 1]
        return self._regions

    def unicorn_arrays(self) -> tuple[list[int], ...]:
        """Return the region registers as Unicorn keeps them: see `calibration.MpuArrays`."""
        if self.v8m:
            if self.exact_code:
                return self.bases, self.limits
            return self._grown()
        sizes = [1 << ((limit >> 1 & 31) + 1) for limit in self.limits]
        bases = [base & -size for base, size in zip(self.bases, sizes, strict=True)]
        return bases, [r & 0xFFFF for r in self.limits], [r >> 16 for r in self.limits]

    def _grown(self) -> tuple[list[int], list[int]]:
        bases, limits = self.bases[:], self.limits[:]
        for i in range(REGION_COUNT):
            if not limits[i] & 1 or bases[i] & 1:
                continue
            low, high = bases[i] & ~_PAGE, limits[i] | _PAGE
            clash = any(
                limits[j] & 1 and bases[j] & ~0x1F <= high and limits[j] | 0x1F >= low
                for j in range(REGION_COUNT)
                if j != i
            )
            if not clash:
                bases[i] = bases[i] & 0x1F | low
                limits[i] = limits[i] & 0x1F | high & ~0x1F
        return bases, limits

    def save(self) -> MpuState:
        """Return the state for a snapshot."""
        first, second = self.attributes
        return MpuState(
            self.control, self.number, tuple(self.bases), tuple(self.limits), (first, second)
        )

    def restore(self, state: MpuState) -> None:
        """Go back to a snapshot."""
        self.control, self.number = state.control, state.number
        self.bases, self.limits = list(state.bases), list(state.limits)
        self.attributes = list(state.attributes)
        self.changed = True
        self._regions = None


def _decode_v8(base: int, limit: int) -> _Region:
    access = base >> 1 & 3
    return _Region(base & ~0x1F, limit | 0x1F, bool(access & 1), access == 1)


def _decode_v7(base: int, attributes: int) -> _Region:
    size = 1 << ((attributes >> 1 & 31) + 1)
    start = base & -size
    access = attributes >> 24 & 7
    disabled = attributes >> 8 & 0xFF if size >= 256 else 0
    return _Region(start, start + size - 1, access in _USER_READ, access == _USER_WRITE, disabled)
