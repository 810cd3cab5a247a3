"""A Thumb assembler of a few instructions, for programs that fit on a screen.

Encodings from the Arm v7-M Architecture Reference Manual, A7.7. Registers are numbers; labels are
resolved when the image is built.
"""

from __future__ import annotations

import struct

SP, LR, PC = 13, 14, 15
PRIMASK, CONTROL, MSP, PSP = 16, 20, 8, 9
VECTORS = 80


class Program:
    """Code from `base + 0x200` on, behind a vector table. The label `reset` is where it starts."""

    def __init__(self, base: int, stack: int) -> None:
        self.base = base
        self.stack = stack
        self._code = bytearray()
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, int, str]] = []
        self._vectors: dict[int, str] = {}

    @property
    def here(self) -> int:
        """Address of the next instruction."""
        return self.base + 0x200 + len(self._code)

    def address(self, label: str) -> int:
        """Address of a label that has been set."""
        return self._labels[label]

    def label(self, name: str) -> None:
        """Name this place."""
        self._labels[name] = self.here

    def handler(self, exception: int) -> None:
        """Begin the handler of an exception here."""
        name = f"exception {exception}"
        self.label(name)
        self._vectors[exception] = name

    def half(self, *halfwords: int) -> None:
        """Put raw halfwords."""
        self._code += struct.pack(f"<{len(halfwords)}H", *halfwords)

    # ------------------------------------------------------------------ instructions

    def mov(self, rd: int, value: int) -> None:
        """Set a register to a 32-bit constant (MOVW, MOVT)."""
        for op, part in ((0xF240, value & 0xFFFF), (0xF2C0, value >> 16 & 0xFFFF)):
            high = op | (part >> 11 & 1) << 10 | part >> 12
            self.half(high, (part >> 8 & 7) << 12 | rd << 8 | part & 0xFF)

    def move(self, rd: int, rm: int) -> None:
        """MOV rd, rm."""
        self.half(0x4600 | (rd & 8) << 4 | rm << 3 | rd & 7)

    def ldr(self, rt: int, rn: int, offset: int = 0) -> None:
        """LDR rt, [rn, #offset] (low registers)."""
        self.half(0x6800 | offset // 4 << 6 | rn << 3 | rt)

    def str(self, rt: int, rn: int, offset: int = 0) -> None:
        """STR rt, [rn, #offset] (low registers)."""
        self.half(0x6000 | offset // 4 << 6 | rn << 3 | rt)

    def add(self, rd: int, value: int) -> None:
        """ADDS rd, #value."""
        self.half(0x3000 | rd << 8 | value)

    def sub(self, rd: int, value: int) -> None:
        """SUBS rd, #value."""
        self.half(0x3800 | rd << 8 | value)

    def msr(self, special: int, rn: int) -> None:
        """MSR special, rn."""
        self.half(0xF380 | rn, 0x8800 | special)

    def mrs(self, rd: int, special: int) -> None:
        """MRS rd, special."""
        self.half(0xF3EF, 0x8000 | rd << 8 | special)

    def branch(self, label: str) -> None:
        """B label."""
        self._jumps.append((len(self._code), 0xE000, label))
        self.half(0)

    def branch_not_zero(self, label: str) -> None:
        """BNE label."""
        self._jumps.append((len(self._code), 0xD100, label))
        self.half(0)

    def bx(self, rm: int) -> None:
        """BX rm."""
        self.half(0x4700 | rm << 3)

    def svc(self) -> None:
        """SVC #0."""
        self.half(0xDF00)

    def wfi(self) -> None:
        """WFI."""
        self.half(0xBF30)

    def nop(self, count: int = 1) -> None:
        """NOP."""
        self.half(*[0xBF00] * count)

    def barrier(self) -> None:
        """DSB; ISB."""
        self.half(0xF3BF, 0x8F4F, 0xF3BF, 0x8F6F)

    def store(self, address: int, value: int, using: tuple[int, int] = (6, 7)) -> None:
        """Store a constant word."""
        self.mov(using[0], address)
        self.mov(using[1], value)
        self.str(using[1], using[0])

    def count(self, address: int) -> None:
        """Add one to a word of memory (uses r6, r7)."""
        self.mov(6, address)
        self.ldr(7, 6)
        self.add(7, 1)
        self.str(7, 6)

    def idle(self) -> None:
        """Wait for interrupts for ever."""
        name = f"idle at {self.here}"
        self.label(name)
        self.wfi()
        self.branch(name)

    def unprivileged(self, stack: int) -> None:
        """Go on as an unprivileged thread with its own stack (uses r7)."""
        self.mov(7, stack)
        self.msr(PSP, 7)
        self.mov(7, 3)
        self.msr(CONTROL, 7)
        self.barrier()

    def build(self) -> list[tuple[int, bytes]]:
        """Return the image as segments. The vectors of exceptions without a handler are 0."""
        code = bytearray(self._code)
        for at, op, label in self._jumps:
            distance = self._labels[label] - (self.base + 0x200 + at + 4)
            mask = 0x7FF if op == 0xE000 else 0xFF
            struct.pack_into("<H", code, at, op | distance >> 1 & mask)
        vectors = [self.stack, self._labels["reset"] | 1, *[0] * (VECTORS - 2)]
        for exception, label in self._vectors.items():
            vectors[exception] = self._labels[label] | 1
        table = struct.pack(f"<{VECTORS}I", *vectors).ljust(0x200, b"\0")
        return [(self.base, table + bytes(code))]
