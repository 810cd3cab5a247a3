"""The emulated board: a chip, what is wired to it, and a debugger's view of both.

Deterministic: no threads, no wall clock, no randomness. The same image and the same calls give the
same memory at the same virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from idol.records import replace
from idoldbg.errors import FaultError, TargetFileError, Unsupported
from idoldbg.model.board import Board, MemoryKind
from idoldbg.target.emulated.emu.bus import Bus, Memory
from idoldbg.target.emulated.emu.clock import Clock
from idoldbg.target.emulated.emu.core import Core, StopReason
from idoldbg.target.emulated.emu.core_model import CORE_MODELS, Architecture, CoreModel
from idoldbg.target.emulated.emu.debug import Dfsr
from idoldbg.target.emulated.emu.devices import Wiring, make_device, wire_board
from idoldbg.target.emulated.emu.divisions import MAX_DIVISIONS, find_unguarded_divisions
from idoldbg.target.emulated.emu.engine import Engine
from idoldbg.target.emulated.emu.history import RAN, Entry, History
from idoldbg.target.emulated.emu.injection import Injector
from idoldbg.target.emulated.emu.inputs import as_input, whole
from idoldbg.target.emulated.emu.instruments import InstrumentSet
from idoldbg.target.emulated.emu.nvic import Nvic
from idoldbg.target.emulated.emu.past import OnWrite, PastOfBoard
from idoldbg.target.emulated.emu.rewinding import Rewinding
from idoldbg.target.emulated.emu.scs import PPB_END, PPB_START
from idoldbg.target.emulated.emu.snapshot import Snapshot
from idoldbg.target.emulated.emu.surroundings import Surroundings
from idoldbg.target.signals import HeldSignals

__all__ = ["EmulatedBoard", "Snapshot"]

_LINK = "emu"


class EmulatedBoard(Surroundings, PastOfBoard):
    """A board that runs an image, given as (address, bytes) segments of its flash and RAM.

    `uart_sink` gets (name of the port, bytes) of what the firmware sends; `uart` keeps it as well.
    `vector_table` overrides where the core starts: by default the chip's own place if the image has
    something there, else the image's lowest address in flash. `nor_contents` fills SPI flashes by
    their names.
    """

    def __init__(
        self,
        board: Board,
        segments: Sequence[tuple[int, bytes]],
        *,
        uart_sink: Callable[[str, bytes], None] | None = None,
        vector_table: int | None = None,
        exact_code_regions: bool = False,
        nor_contents: Mapping[str, bytes] | None = None,
    ) -> None:
        if board.emulation is None or board.chip.core is None:
            raise TargetFileError(
                f"board `{board.name}` cannot be emulated: its file has no [emulation], for which "
                "its chip needs a file as well (see docs/board-files.md)"
            )
        self.board = board
        self.model: CoreModel = CORE_MODELS[board.chip.core]
        self._clock = Clock(board.chip.clock_hz)
        self._bus = Bus(board.memory(), board.chip.io)
        nvic = Nvic(board.chip.interrupts, board.chip.priority_bits)
        self._engine = Engine(v8m=self.model.v8m)
        self._core = Core(self.model, self._engine, self._bus, self._clock, nvic)
        self._core.mpu.exact_code = exact_code_regions
        self._wiring = Wiring(self._clock, self._bus, self._core.set_line, uart_sink)
        for peripheral in board.chip.peripherals:
            device = make_device(peripheral, self._wiring)
            self._bus.add_device(peripheral.name, peripheral.address, peripheral.size, device)
        self._place_constants()
        wire_board(board.emulation, self._wiring, nor_contents or {}, board.folder)
        self._bus.connect(self._engine)
        self._bus.on_code_written = self._code_written
        for rule in board.chip.clocks:
            self._bus.watched[rule.address] = self._update_clock
        self._notices = list(self._engine.calibration.notices)
        self._flash_changed = True
        self.flash_writes = 0
        """Number of times that the contents of flash have changed."""
        self._load(segments)
        self._vector_table = self._start_of(segments) if vector_table is None else vector_table
        self._breakpoints: set[int] = set()
        self.instruments = InstrumentSet(self.observe)
        self.on_pause: Callable[[], None] | None = None
        """Called whenever the board has run for a while, and at its end."""
        self._on_write: tuple[int, int, OnWrite] | None = None
        self.reset_count = 0
        self._injector = Injector(self._core, self._bus, self._update_clock)
        self.history = History()
        self._reset()
        self.history.add_checkpoint(0, self.bare_snapshot())

    def _place_constants(self) -> None:
        """Let the chip say what it is, to debuggers and to its firmware."""
        ids = self.board.chip.identification
        if ids is not None:
            constants = ids.constants(self.board.part, self._bus.flash_size)
            self._core.scs.add_constants(self._bus.place_constants(constants))

    # ------------------------------------------------------------------ image

    def _load(self, segments: Sequence[tuple[int, bytes]]) -> None:
        for address, data in segments:
            self._check_fits(address, data)
            at = 0
            while at < len(data):
                memory = self._bus.find(address + at)
                assert memory is not None  # `_check_fits` looked
                part = data[at : at + memory.end - address - at]
                self._bus.program(address + at, part)
                self._wiring.image_loaded(address + at, len(part))
                at += len(part)

    @as_input
    def flash(self, segments: Sequence[tuple[int, bytes]]) -> None:
        """Erase all flash, program an image and reset, as a programmer does with real flash.

        RAM stays, as it does on a chip. Raises `TargetFileError` before anything is erased where
        the image does not fit the board.
        """
        for address, data in segments:
            self._check_fits(address, data)
        for memory in self._bus.memories:
            if memory.region.kind is MemoryKind.FLASH:
                memory.data[:] = b"\xff" * len(memory.data)
                self._code_written(memory)
        self._wiring.flash_erased()
        self._load(segments)
        self._vector_table = self._start_of(segments)
        self._reset()

    def _check_fits(self, address: int, data: bytes) -> None:
        at = address
        while at < address + len(data):
            memory = self._bus.find(at)
            if memory is None:
                raise TargetFileError(
                    f"the image has {len(data)} bytes at 0x{address:08x}, where board "
                    f"`{self.board.name}` has no memory; is this the image's board?"
                )
            at = memory.end

    def _start_of(self, segments: Sequence[tuple[int, bytes]]) -> int:
        own = self.board.chip.vector_table
        flash: list[int] = []
        for address, data in segments:
            memory = self._bus.find(address)
            if data and memory is not None and memory.region.kind is MemoryKind.FLASH:
                flash.append(address)
                for start in (memory.region.address, *memory.region.aliases):
                    if start + address - memory.address == own:
                        return own
        return min(flash, default=own)

    def _code_written(self, memory: Memory) -> None:
        self._engine.flush_code()
        if memory.region.kind is MemoryKind.FLASH:
            self._flash_changed = True
            self.flash_writes += 1

    def _find_divisions(self) -> None:
        """Look for division instructions in flash, which trap if the firmware says so."""
        found: dict[int, int] = {}
        if self.model.architecture is not Architecture.V6M:
            for memory in self._bus.memories:
                if memory.region.kind is MemoryKind.FLASH:
                    used = bytes(memory.data.rstrip(b"\xff")) + b"\xff"
                    found.update(
                        islice(find_unguarded_divisions(memory.address, used), MAX_DIVISIONS + 1)
                    )
        is_too_much = len(found) > MAX_DIVISIONS
        with HeldSignals(self._core):
            self._core.set_divisions({} if is_too_much else found)
            self._flash_changed = False
        if not is_too_much:
            return
        notice = "the image has many unusual divisions: division by zero does not trap in it"
        if notice not in self._notices:
            self._notices.append(notice)

    def _update_clock(self) -> None:
        hz = self.board.chip.clock_hz
        for rule in self.board.chip.clocks:
            if self._bus.io_read(rule.address, 4) & rule.mask == rule.value:
                hz = rule.hz
                break
        hz = round(hz * self._injector.factor)
        if hz != self._clock.hz:
            self._clock.hz = hz
            self._core.clock_changed()

    # ------------------------------------------------------------------ run control

    @as_input
    def reset(self, halt: bool = False) -> None:
        """Reset the chip: RAM and flash stay. With `halt` the core stops before it starts."""
        self._reset()
        if halt:
            self.halt()

    def _reset(self) -> None:
        self.reset_count += 1
        self._bus.reset()
        self._core.reset(self._vector_table)
        self._update_clock()

    def run(self, seconds: float) -> StopReason:
        """Let virtual time pass; it also passes when the core is halted or locked up."""
        return self._run_seconds(seconds, None)

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> StopReason:
        """Run until `condition` holds, asked now and then, at most for `limit_s` virtual seconds.

        Returns `CONDITION`, or why it gave up. It is asked after each slice of execution: at every
        interrupt, and at least every 200,000 instructions.
        """
        return self._run_seconds(limit_s, condition)

    def run_to(self, cycle: int) -> StopReason:
        """Run up to a cycle, as `run`."""
        return self._run(lambda: cycle, None)

    def _run_seconds(self, seconds: float, condition: Callable[[], bool] | None) -> StopReason:
        clock, end_s = self._clock, self.time_s + seconds
        return self._run(lambda: clock.cycles + clock.cycles_until(end_s), condition)

    def _run(self, find_end: Callable[[], int], condition: Callable[[], bool] | None) -> StopReason:
        history = self.history
        if history.is_busy:
            return self._run_unnoted(find_end, condition)
        if history.is_checkpoint_due() and self.is_between_instructions():
            history.add_checkpoint(self._clock.cycles, self.bare_snapshot())
        if history.position is not None:
            history.past()  # goes another way from here
        try:
            return self._run_unnoted(find_end, condition)
        finally:
            history.note(self._clock.cycles, RAN, ())

    def _run_unnoted(
        self, find_end: Callable[[], int], condition: Callable[[], bool] | None
    ) -> StopReason:
        core = self._core
        while True:
            if self._flash_changed:
                self._find_divisions()
            with HeldSignals(core) as signals:
                reason = core.run(signals, find_end, condition)
                if core.reset_requested:
                    self._reset()
                    continue
                if reason in (StopReason.HALTED, StopReason.LOCKUP):
                    self._pass_time(find_end, signals)
                if self.on_pause is not None and not self.history.is_busy:
                    self.on_pause()
                return reason

    def _pass_time(self, find_end: Callable[[], int], signals: HeldSignals) -> None:
        """Let the devices' timers go on while the core does nothing."""
        clock = self._clock
        end = find_end()
        while clock.cycles < end:
            signals.deliver()
            deadline = clock.next_deadline()
            clock.cycles = end if deadline is None else min(max(deadline, clock.cycles), end)
            clock.fire_due()

    @as_input
    def halt(self) -> None:
        """Stop the core, as a debugger does."""
        self._core.debug.halt(Dfsr.HALTED)

    @as_input
    def resume(self) -> None:
        """Let a halted core go on (when `run` is called)."""
        self._core.debug.resume()

    @as_input
    def step(self) -> None:
        """Execute one instruction of the halted core; an exception that is due is entered first."""
        if not self.is_halted:
            self.halt()
        if self._flash_changed:
            self._find_divisions()
        self._core.debug.step()
        self._handle_reset_request()

    def _handle_reset_request(self) -> None:
        if self._core.reset_requested:
            self._reset()

    @property
    def is_halted(self) -> bool:
        """Whether the core is halted for debugging."""
        return self._core.debug.halted

    @property
    def is_sleeping(self) -> bool:
        """Whether the core waits in WFI or WFE."""
        return self._core.sleeping

    @property
    def lockup(self) -> str | None:
        """Reason for the core's lockup, None while it is not locked up."""
        return self._core.lockup

    # ------------------------------------------------------------------ registers

    def read_register(self, name: str | int) -> int:
        """Return a core register by its name, or by its DCRSR number."""
        if isinstance(name, int):
            return self._core.registers.read_number(name)
        try:
            return self._core.registers.read(name)
        except KeyError:
            raise self._no_register(name) from None

    @as_input
    def write_register(self, name: str | int, value: int) -> None:
        """Set a core register by its name, or by its DCRSR number."""
        value &= 0xFFFFFFFF
        if isinstance(name, int):
            self._core.write_core_register(name, value)
            return
        try:
            self._core.registers.write(name, value)
        except KeyError:
            raise self._no_register(name) from None

    def _no_register(self, name: str) -> Unsupported:
        message = f"a {self.board.chip.core} has no register `{name}`"
        return Unsupported(message, capability=f"register {name}", link=_LINK)

    @as_input
    def set_breakpoint(self, address: int) -> None:
        """Halt the core before the instruction at `address`."""
        self._breakpoints.add(address & ~1)
        self._core.set_breakpoints(set(self._breakpoints))

    @as_input
    def clear_breakpoint(self, address: int) -> None:
        """Undo `set_breakpoint`; an address without a breakpoint is ignored."""
        self._breakpoints.discard(address & ~1)
        self._core.set_breakpoints(set(self._breakpoints))

    # ------------------------------------------------------------------ memory

    def read(self, address: int, size: int) -> bytes:
        """Return memory as a debug probe sees it; peripherals with the side effects of reading."""
        memory = self._bus.find(address)
        if memory is not None and address + size <= memory.end:
            offset = address - memory.address
            return bytes(memory.data[offset : offset + size])
        return self._read_mixed(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write memory as a debug probe does. Flash takes the bytes, with no need to erase it."""
        if self._on_write is not None:
            start, size, on_write = self._on_write
            if address < start + size and start < address + len(data):
                on_write(address, len(data), None, None, "debugger")
        memory = self._bus.find(address)
        if memory is not None and memory.region.kind is MemoryKind.RAM:
            end = address + len(data)
            if end <= memory.end:
                if not self.history.is_busy:
                    self.history.note(self._clock.cycles, "write", (address, bytes(data)))
                memory.data[address - memory.address : end - memory.address] = data
                return
        self._write_mixed(address, data)

    @as_input
    def _write_mixed(self, address: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            memory = self._bus.find(address + at)
            if memory is None:
                at += self._write_io(address + at, data[at:])
                continue
            part = data[at : at + memory.end - address - at]
            offset = address + at - memory.address
            if self._bus.find_programmable(address + at) is not None:
                width = _access_width(address + at, len(part))
                self._bus.store_flash(memory, offset, part[:width], width)
                at += width
                continue
            memory.data[offset : offset + len(part)] = part
            if memory.region.kind is not MemoryKind.RAM:
                self._wiring.image_loaded(address + at, len(part))
                self._code_written(memory)
            at += len(part)
        self._handle_reset_request()

    @as_input
    def _read_mixed(self, address: int, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            at = address + len(parts)
            left = size - len(parts)
            memory = self._bus.find(at)
            if memory is not None:
                offset = at - memory.address
                parts += memory.data[offset : offset + left]
                continue
            width = _access_width(at, left)
            parts += self._read_io(at, width).to_bytes(4, "little")[:width]
        return bytes(parts)

    def _read_io(self, address: int, width: int) -> int:
        if PPB_START <= address < PPB_END:
            return self._core.scs.read(address, width)
        register = self._bus.find_io(address)
        if register is None:
            raise self._fault(address, width)
        return self._bus.io_read(register, width)

    def _write_io(self, address: int, data: bytes) -> int:
        width = _access_width(address, len(data))
        value = int.from_bytes(data[:width], "little")
        if PPB_START <= address < PPB_END:
            self._core.scs.write(address, width, value, debugger=True)
            return width
        register = self._bus.find_io(address)
        if register is None:
            raise self._fault(address, width)
        self._bus.io_write(register, width, value)
        return width

    def _fault(self, address: int, size: int) -> FaultError:
        message = f"board `{self.board.name}` has nothing at 0x{address & 0xFFFFFFFF:08x}"
        return FaultError(message, address=address, size=size)

    # ------------------------------------------------------------------ state

    @property
    def time_s(self) -> float:
        """Virtual seconds since the board was made."""
        return self._clock.time_s

    @property
    def cycles_per_second(self) -> int:
        """The core clock, as the firmware has set it."""
        return self._clock.hz

    @property
    def cycles(self) -> int:
        """Core clock cycles since the board was made."""
        return self._clock.cycles

    @property
    def notices(self) -> tuple[str, ...]:
        """Limits of this emulation on this computer, as sentences for the user."""
        return tuple(self._notices)

    @property
    def enforces_mpu(self) -> bool:
        """Whether tasks are kept to their MPU regions."""
        return self._engine.calibration.mpu is not None

    def snapshot(self) -> Snapshot:
        """Return the whole state, memory included."""
        return replace(self.bare_snapshot(), past=self.history.past())

    def bare_snapshot(self) -> Snapshot:
        """Return the whole state without the past."""
        core = self._core
        devices = {name: device.save() for name, device in self._bus.devices.items()}
        devices["(open)"] = self._bus.open.save()
        devices.update(self._wiring.save())
        devices["(injected)"] = self._injector.save()
        return Snapshot(
            self._clock.save(),
            core.nvic.save(),
            core.mpu.save(),
            core.systick.save(),
            core.debug.save(),
            core.scs.save(),
            core.save(),
            {name: bytes(data) for name, data in self._bus.buffers.items()},
            devices,
            frozenset(self._breakpoints),
        )

    @whole
    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this board, or of another one of the same description.

        Breakpoints stay as they are.
        """
        breakpoints = set(self._breakpoints)
        self.restore_state(snapshot)
        self._breakpoints = breakpoints
        self._core.set_breakpoints(set(breakpoints))
        history = self.history
        if snapshot.past is not None and snapshot.past.owner is history:
            history.go_to(snapshot.past)
        else:
            history.begin_with(self._clock.cycles, snapshot)

    def rewinding(self) -> Rewinding:
        """Return what moves the board through its past; raise `LinkError` where it has none."""
        return Rewinding(self)

    @as_input
    def inject(self, fault: dict[str, object]) -> None:
        """Plan a fault, as `injection.Plan` has it; raise `ArgumentError`."""
        self._injector.add(fault, self._clock.hz)

    def has_injected(self) -> bool:
        """Return whether all planned faults have happened."""
        return all(plan.happened for plan in self._injector.plans)

    def live_again(self, entries: list[Entry]) -> None:
        """Live a recorded past that begins where this board was made; it stands at its end then.

        Raises `LinkTimeout` where that takes too long in real time.
        """
        self.history.entries = entries
        self.rewinding().live()

    def restore_state(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, with its breakpoints; what is recorded stays."""
        core = self._core
        for memory in self._bus.memories:
            data = snapshot.memory[memory.region.name]
            if memory.data != data:
                memory.data[:] = data
                if memory.region.kind is not MemoryKind.RAM:
                    self._code_written(memory)
        for name, device in self._bus.devices.items():
            device.restore(snapshot.devices[name])
        self._bus.open.restore(snapshot.devices["(open)"])
        self._wiring.restore(snapshot.devices)
        self._injector.restore(snapshot.devices["(injected)"])
        core.nvic.restore(snapshot.nvic)
        core.mpu.restore(snapshot.mpu)
        core.systick.restore(snapshot.systick)
        self._clock.restore(snapshot.clock)
        core.scs.restore(snapshot.scs)
        core.restore(snapshot.core)
        core.debug.restore(snapshot.debug)
        self._breakpoints = set(snapshot.breakpoints)
        core.set_breakpoints(set(snapshot.breakpoints))

    def close(self) -> None:
        """Release the emulator's memory. The board cannot be used afterwards."""
        if self.on_pause is not None:
            self.on_pause()
            self.on_pause = None
        self._engine.close()


def _access_width(address: int, size: int) -> int:
    """Return the widest naturally aligned access that begins at `address`."""
    if not address & 3 and size >= 4:
        return 4
    return 2 if not address & 1 and size >= 2 else 1
