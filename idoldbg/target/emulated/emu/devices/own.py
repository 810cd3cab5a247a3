"""Device models of the user: found, made, connected, and kept from breaking the board.

A model in a file is code that runs with all the rights of the user. So only a board file that the
user names may have one beside it (`Board.folder`); what a bundled board or a build says never leads
to a file. Installed packages offer models as entry points of the group `idoldbg.devices`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from idol.near import suggest
from idoldbg.devices import BoardDevice, I2cDevice, MappedDevice, SpiDevice, UartDevice
from idoldbg.errors import IdoldbgError, LinkError, TargetFileError
from idoldbg.model.own_device import OwnDevice
from idoldbg.target.emulated.emu.devices.device import Device
from idoldbg.target.emulated.emu.devices.spi_bus import SpiPeer

__all__ = [
    "GROUP",
    "GuardedI2c",
    "GuardedMapped",
    "GuardedSpi",
    "guard",
    "guarded",
    "make_own_device",
]

GROUP = "idoldbg.devices"
T = TypeVar("T")


def make_own_device(spec: OwnDevice, folder: str) -> BoardDevice:
    """Find the class of a device and make it; raise `TargetFileError`."""
    kind = _find_class(spec, folder)
    base = _base_of(spec)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise _wrong(
            spec, f"`{spec.model}` is not a class derived from idoldbg.devices.{base.__name__}"
        )
    options = dict(spec.options)
    _check_options(spec, kind, options)
    try:
        return kind(**options)
    except Exception as error:
        raise _wrong(spec, f"cannot be made: {_describe(error)}") from error


def _base_of(spec: OwnDevice) -> type[BoardDevice]:
    if spec.i2c is not None:
        return I2cDevice
    if spec.spi is not None:
        return SpiDevice
    if spec.uart is not None:
        return UartDevice
    return MappedDevice if spec.mapped is not None else BoardDevice


def _find_class(spec: OwnDevice, folder: str) -> Any:
    module, _, name = spec.model.partition(":")
    if folder and name and "." not in module:
        file = Path(folder) / f"{module}.py"
        if file.is_file():
            loaded = _load(spec, module, file)
            if not hasattr(loaded, name):
                known = [n for n, v in vars(loaded).items() if isinstance(v, type)]
                raise _wrong(spec, f"{file} has no class `{name}`; {_hint(name, known)}")
            return getattr(loaded, name)
    found = [e for e in entry_points(group=GROUP) if spec.model in (e.name, e.value)]
    if found:
        try:
            return found[0].load()
        except Exception as error:
            raise _wrong(
                spec, f"`{found[0].value}` cannot be loaded: {_describe(error)}"
            ) from error
    if folder:
        where = f"no file {module}.py beside the board file"
    else:
        where = "a bundled board has no files beside it"
    raise _wrong(
        spec, f"no model `{spec.model}`: {where}, and no installed package has an entry point "
        f"`{GROUP}` of that name (see docs/devices.md)"
    )  # fmt: skip


def _load(spec: OwnDevice, module: str, file: Path) -> ModuleType:
    """Import a file, once; under its own name if the program has imported it already."""
    path = str(file.resolve())
    imported = sys.modules.get(module)
    if imported is not None and getattr(imported, "__file__", None) == path:
        return imported
    private = f"_idoldbg_devices_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    if private in sys.modules:
        return sys.modules[private]
    plan = importlib.util.spec_from_file_location(private, path)
    assert plan is not None and plan.loader is not None  # of a name that ends with .py
    loaded = sys.modules[private] = importlib.util.module_from_spec(plan)
    try:
        plan.loader.exec_module(loaded)
    except BaseException as error:
        del sys.modules[private]
        if not isinstance(error, Exception):
            raise
        raise _wrong(spec, f"{path} cannot be imported: {_describe(error)}") from error
    return loaded


def _check_options(spec: OwnDevice, kind: type[BoardDevice], options: dict[str, object]) -> None:
    parameters = inspect.signature(kind).parameters
    is_open = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in options:
        if name not in parameters and not is_open:
            hint = _hint(name, list(parameters))
            raise _wrong(spec, f"`{spec.model}` has no option `{name}`; {hint}")
    for name, parameter in parameters.items():
        variadic = parameter.kind in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        )
        if name not in options and parameter.default is inspect.Parameter.empty and not variadic:
            raise _wrong(spec, f"`{spec.model}` needs the option `{name}`")
    try:
        hints = get_type_hints(kind.__init__)
    except Exception:  # noqa: BLE001 - annotations of the user: nothing to check with
        return
    for name, value in options.items():
        _check_type(spec, name, value, hints.get(name))


def _check_type(spec: OwnDevice, name: str, value: object, wanted: object) -> None:
    kinds = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}
    accepted = kinds.get(wanted) if isinstance(wanted, type) else None
    if accepted is None:
        return
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        assert isinstance(wanted, type)
        raise _wrong(spec, f"option `{name}` must be of type {wanted.__name__}, not {value!r:.40}")


def _hint(name: str, known: list[str]) -> str:
    return suggest(name, known, otherwise=f"it has {', '.join(known) or 'none'}")


def _wrong(spec: OwnDevice, message: str) -> TargetFileError:
    return TargetFileError(f"device `{spec.name}`: {message}")


def _describe(error: BaseException) -> str:
    """Describe what was raised, and where in the user's file."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if not f.filename.startswith(str(Path(__file__).parents[4]))]
    place = f" ({Path(inside[-1].filename).name}:{inside[-1].lineno})" if inside else ""
    return f"{type(error).__name__}: {error}{place}"


# ---------------------------------------------------------------------- guards


@contextmanager
def guard(name: str, method: str) -> Iterator[None]:
    """Turn what a model raises into an error that names the device."""
    try:
        yield
    except IdoldbgError:
        raise
    except Exception as error:
        message = f"device `{name}` failed in `{method}`: {_describe(error)}"
        raise LinkError(message, link="emu") from error


def _byte(name: str, method: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 0xFF:
        message = f"device `{name}`: `{method}` returned {value!r:.40}, which is not a byte"
        raise LinkError(message, link="emu")
    return value


class GuardedI2c:
    """An I2C device of the user as the bus sees it."""

    def __init__(self, name: str, device: I2cDevice) -> None:
        self._name, self._device = name, device

    def start(self, *, read: bool) -> bool:
        with guard(self._name, "start"):
            return bool(self._device.start(read=read))

    def write(self, value: int) -> bool:
        with guard(self._name, "write"):
            return bool(self._device.write(value))

    def read(self) -> int:
        with guard(self._name, "read"):
            value = self._device.read()
        return _byte(self._name, "read", value)

    def stop(self) -> None:
        with guard(self._name, "stop"):
            self._device.stop()


class GuardedSpi(SpiPeer):
    """An SPI device of the user as the bus sees it; its state is saved elsewhere."""

    def __init__(self, name: str, device: SpiDevice) -> None:
        self._name, self._device = name, device

    def select(self) -> None:
        with guard(self._name, "select"):
            self._device.select()

    def deselect(self) -> None:
        with guard(self._name, "deselect"):
            self._device.deselect()

    def exchange(self, value: int) -> int:
        with guard(self._name, "exchange"):
            answer = self._device.exchange(value)
        return _byte(self._name, "exchange", answer)


class GuardedMapped(Device):
    """A peripheral of the user as the chip's bus sees it; its state is saved elsewhere."""

    def __init__(self, name: str, device: MappedDevice) -> None:
        self._name, self._device = name, device

    def reset(self) -> None:
        with guard(self._name, "reset"):
            self._device.reset()

    def read_word(self, offset: int) -> int:
        with guard(self._name, "read_word"):
            value = self._device.read_word(offset)
        if isinstance(value, bool) or not isinstance(value, int):
            message = f"device `{self._name}`: `read_word` returned {value!r:.40}, not a number"
            raise LinkError(message, link="emu")
        return value & 0xFFFFFFFF

    def write_word(self, offset: int, value: int) -> None:
        with guard(self._name, "write_word"):
            self._device.write_word(offset, value)


def guarded(name: str, method: str, action: Callable[..., T]) -> Callable[..., T]:
    """Return what calls a method of a model under `guard`."""

    def call(*arguments: object) -> T:
        with guard(name, method):
            return action(*arguments)

    return call
