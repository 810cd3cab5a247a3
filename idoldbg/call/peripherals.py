"""Pins and I2C buses, through hiffy's functions."""

from __future__ import annotations

from collections.abc import Sequence

from idol.near import near_misses
from idol.records import dataclass
from idoldbg.call.caller import Caller
from idoldbg.call.functions import FunctionCall, call_functions, read_functions
from idoldbg.call.hif.results import Failed
from idoldbg.call.hiffy.functions import parse_arguments
from idoldbg.call.hiffy.i2c import READ, BusPlace, check_function, scan_programs
from idoldbg.errors import ArgumentError, HiffyFailure, NotFound
from idoldbg.model.archive import Archive
from idoldbg.model.types import CEnum
from idoldbg.views.devices import Devices, I2cBus, read_devices

__all__ = ["PINS", "BusProbe", "BusScan", "PinCall", "call_pins", "find_bus", "scan_bus"]

INPUT = "GpioInput"
PINS = 16  # of a port


@dataclass(frozen=True, slots=True)
class PinCall:
    """A GPIO function called for a pin (or port, of which `level` is all pins' then)."""

    pin: str
    call: FunctionCall

    @property
    def level(self) -> int | None:
        """The number that was read, None where none was."""
        return int.from_bytes(self.call.data, "little") if self.call.data else None


def call_pins(
    caller: Caller, function: str, pins: Sequence[str], more: Sequence[str] = ()
) -> tuple[PinCall, ...]:
    """Call a GPIO function for each pin in one program: `PORT:PIN`, or the pin's name alone.

    `more` are the arguments behind the pin. Without pins, `GpioInput` reads all. Raises `NotFound`
    where this image's hiffy lacks the function, `ArgumentError`.
    """
    functions = read_functions(caller.program)
    signature = functions.find(function)
    first = signature.arguments[0] if signature.arguments else None
    if not pins and function == INPUT and isinstance(first, CEnum):
        pins = first.variant_names
    calls = []
    for pin in pins:
        texts = pin.split(":")
        wanted = len(signature.places) - len(more)
        if function == INPUT and len(texts) == 2:
            _check_pin(pin, texts.pop())
        elif len(texts) != wanted:
            form = "PORT:PIN, such as A:5" if wanted == 2 else "its name, such as PIO0_5"
            raise ArgumentError(f"`{pin}` is not a pin of this image: write {form}")
        calls.append((signature, parse_arguments(signature, [*texts, *more])))
    done = call_functions(caller, functions, calls, result_size=2)
    return tuple(PinCall(pin, each) for pin, each in zip(pins, done, strict=True))


def _check_pin(pin: str, number: str) -> None:
    if not number.isdecimal() or int(number) >= PINS:
        raise ArgumentError(f"`{pin}` is not a pin: they are numbered from 0 to {PINS - 1}")


@dataclass(frozen=True, slots=True)
class BusProbe:
    """Answer of one address, or register: the byte that was read, or the error's name."""

    number: int
    value: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class BusScan:
    """Scan of a bus for devices, or with `device` of that for registers."""

    bus: I2cBus
    place: BusPlace
    device: int | None
    register: int | None
    probes: tuple[BusProbe, ...]
    names: tuple[tuple[int, str], ...]
    """Addresses of this bus, with the devices that `app.toml` has there."""


def find_bus(archive: Archive, text: str | None) -> I2cBus:
    """Return a bus by its name, `CONTROLLER:PORT` or `CONTROLLER`; raise `NotFound`.

    None means the only one; `ArgumentError` where there is none, or a choice is needed.
    """
    buses = [bus for bus in read_devices(archive).buses if not bus.is_target]
    if not buses:
        raise ArgumentError(
            f"{archive.path} has no I2C buses: its app.toml describes no controller ([config.i2c])"
        )
    names = [name for bus in buses for name in _names(bus)]
    found = buses if text is None else [bus for bus in buses if text.lower() in _names(bus)]
    if not found:
        near = near_misses(text or "", names)
        hint = "" if near else f"it has {', '.join(names)}"
        raise NotFound("I2C bus", text or "", near=near, where=archive.path, hint=hint)
    if len(found) > 1:
        choices = ", ".join(f"{bus.controller}:{bus.port}" for bus in found)
        raise ArgumentError(f"choose a bus: {choices}", name="BUS")
    return found[0]


def _names(bus: I2cBus) -> list[str]:
    own = [bus.name.lower()] if bus.name else []
    return [*own, f"{bus.controller}:{bus.port.lower()}", str(bus.controller)]


def scan_bus(
    caller: Caller,
    bus: I2cBus,
    *,
    mux: tuple[int, int] | None = None,
    device: int | None = None,
    register: int | None = None,
) -> BusScan:
    """Read a byte of every address of a bus, or of every register of a device.

    `mux` is a multiplexer and its segment. Reading may have effects on a device. Raises `NotFound`
    where this image's hiffy has no `I2cRead`, `HiffyFailure`.
    """
    functions = read_functions(caller.program)
    signature = check_function(functions.find(READ))
    devices = read_devices(caller.program.archive)
    ports = sorted(b.port for b in devices.buses if b.controller == bus.controller)
    place = BusPlace(bus.controller, ports.index(bus.port), *(mux or (None, None)))
    probes: list[BusProbe] = []
    programs = scan_programs(functions.layout, signature, place, device=device, register=register)
    for part, program in programs:
        results = caller.run(program)
        if len(results) != len(part):
            raise HiffyFailure(
                f"hiffy gave {len(results)} answers for {len(part)} reads", failure="nonsense"
            )
        for number, result in zip(part, results, strict=True):
            if isinstance(result, Failed):
                probes.append(BusProbe(number, None, signature.describe_error(result.code)))
            else:
                probes.append(BusProbe(number, result.data[0] if result.data else None, None))
    names = _known(devices, bus, mux)
    return BusScan(bus, place, device, register, tuple(probes), names)


def _known(
    devices: Devices, bus: I2cBus, mux: tuple[int, int] | None
) -> tuple[tuple[int, str], ...]:
    return tuple(
        (d.address, f"{d.device} {d.name}" if d.name else d.device)
        for d in devices.i2c_devices
        if (d.controller, d.port) == (bus.controller, bus.port)
        and (d.mux is None or (d.mux, d.segment) == mux)
    )
