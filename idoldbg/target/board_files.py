"""Reads `targets/chips/*.toml` and `targets/boards/*.toml`, strictly.

The keys of a file are the fields of the dataclasses in `idoldbg.model.board`. An unknown key, a
missing one or a value of the wrong kind is a `TargetFileError` that names the file, the place in it
and the nearest right key; so is a description that makes no sense (`validate_chip`,
`validate_board`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from idol.bounded_toml import load_toml
from idol.records import replace
from idoldbg.build.load.files import read_regular
from idoldbg.errors import NotFound, TargetFileError
from idoldbg.model.board import (
    Board,
    Chip,
    ChipSelect,
    ClockRule,
    Core,
    Emulation,
    Follow,
    IoWindow,
    Led,
    MemoryKind,
    MemoryRegion,
    Peripheral,
    ProbeSettings,
    Register,
    SpiDevice,
    Uart,
    unmodelled_chip,
    validate_board,
    validate_chip,
)
from idoldbg.model.identification import Identification
from idoldbg.model.own_device import DevicePin, I2cPlace, MappedPlace, OwnDevice

__all__ = [
    "board_names",
    "chip_names",
    "find_board_for_archive",
    "load_board",
    "load_chip",
    "parse_board",
    "parse_chip",
]

T = TypeVar("T")
_MAX_FILE_SIZE = 1 << 20


def board_names() -> tuple[str, ...]:
    """Return the names of the bundled boards, sorted."""
    return _bundled_names("boards")


def chip_names() -> tuple[str, ...]:
    """Return the names of the bundled chips, sorted."""
    return _bundled_names("chips")


def load_board(name: str) -> Board:
    """Read a bundled board by name, or one's own from the path of a `.toml` file.

    The chip of such a file is looked for beside it first (`<chip>.toml`), then among the bundled
    ones; without [emulation] it may be one that has no file. Raises `NotFound`, `TargetFileError`.
    """
    if name.endswith(".toml") or "/" in name:
        return _load_own_board(Path(name))
    return _bundled_board(name)


@cache
def load_chip(name: str) -> Chip:
    """Read a bundled chip by name."""
    file = _bundled_file("chips", "chip", name)
    return parse_chip(_read(file), str(file))


def find_board_for_archive(archive_board: str) -> Board | None:
    """Return the bundled board that a build with `board = archive_board` runs on."""
    name = _board_for(archive_board)
    return _bundled_board(name) if name is not None else None


def parse_chip(text: str, path: str) -> Chip:
    """Build a chip from the text of its file; `path` is for messages."""
    chip = _chip(_Table(_parse_toml(text, path), path, ""))
    _refuse(validate_chip(chip), path)
    return chip


def parse_board(text: str, path: str, get_chip: Callable[[str], Chip] = load_chip) -> Board:
    """Build a board from the text of its file; `get_chip` provides the chip that it names."""
    board = _board(_Table(_parse_toml(text, path), path, ""), get_chip)
    _refuse(validate_board(board), path)
    return board


class _Table:
    """One TOML table that must be used up: what is left over is an unknown key."""

    def __init__(self, data: Mapping[str, Any], path: str, where: str) -> None:
        self._data = dict(data)
        self._path = path
        self._where = where
        self._asked: list[str] = []

    def fail(self, message: str) -> NoReturn:
        place = f" in [{self._where}]" if self._where else ""
        raise TargetFileError(f"{self._path}{place}: {message}", path=self._path)

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Take a key; without `default` it must be there."""
        self._asked.append(key)
        if key not in self._data:
            if default is None:
                self.fail(f"`{key}` is missing")
            return default
        return self._checked(key, self._data.pop(key), kind)

    def find(self, key: str, kind: type[T]) -> T | None:
        """Take a key that may be absent."""
        self._asked.append(key)
        if key not in self._data:
            return None
        return self._checked(key, self._data.pop(key), kind)

    def values(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """Take an array of plain values; absent is empty."""
        return tuple(self._checked(key, v, kind) for v in self.get(key, list, []))

    def tables(self, key: str, build: Callable[[_Table], T]) -> tuple[T, ...]:
        """Take an array of tables; absent is empty."""
        result = []
        for index, data in enumerate(self.get(key, list, [])):
            checked = self._checked(f"{key}[{index}]", data, dict)
            label = f"{checked['name']}" if isinstance(checked.get("name"), str) else f"{index}"
            result.append(self._sub(f"{key}.{label}", checked, build))
        return tuple(result)

    def table(self, key: str, build: Callable[[_Table], T]) -> T | None:
        """Take a table that may be absent."""
        data = self.find(key, dict)
        return None if data is None else self._sub(key, data, build)

    def finish(self) -> None:
        """Fail when keys are left over."""
        for key in self._data:
            from difflib import get_close_matches  # 4 ms, for messages alone

            near = get_close_matches(key, self._asked, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            known = "" if near else f"; known keys: {', '.join(self._asked)}"
            self.fail(f"unknown key `{key}`{hint}{known}")

    def name_or_number(self, key: str) -> str | int | None:
        """Take a key that is a text or a number, and may be absent."""
        if isinstance(self._data.get(key), str):
            return self.find(key, str)
        return self.find(key, int)

    def named_tables(self) -> Iterator[tuple[str, _Table]]:
        """Take everything that is left as tables by their names."""
        for name, data in self.remaining().items():
            table = _Table(self._checked(name, data, dict), self._path, f"{self._where}.{name}")
            yield name, table
            table.finish()

    def remaining(self) -> dict[str, Any]:
        """Take everything that is left, for tables whose keys are names."""
        data, self._data = self._data, {}
        return data

    def _sub(self, key: str, data: dict[str, Any], build: Callable[[_Table], T]) -> T:
        table = _Table(data, self._path, f"{self._where}.{key}" if self._where else key)
        result = build(table)
        table.finish()
        return result

    def _checked(self, key: str, value: Any, kind: type[T]) -> T:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            names = {int: "a number", str: "a text", bool: "true or false", list: "an array"}
            self.fail(f"`{key}` must be {names.get(kind, 'a table')}, not {value!r:.40}")
        if kind is int and not 0 <= int(value) < 1 << 32:  # type: ignore[call-overload]  # narrowed
            self.fail(f"`{key}` must be from 0 to 0xffffffff, not {value}")
        return value


def _chip(table: _Table) -> Chip:
    core = table.get("core", str)
    if core not in tuple(Core):
        table.fail(f"`core` is `{core}`; known: {', '.join(Core)}")
    chip = Chip(
        name=table.get("name", str),
        description=table.get("description", str),
        core=Core(core),
        clock_hz=table.get("clock_hz", int),
        interrupts=table.get("interrupts", int),
        priority_bits=table.get("priority_bits", int),
        vector_table=table.get("vector_table", int),
        memory=table.tables("memory", _memory),
        io=table.tables("io", _io),
        peripherals=table.tables("peripheral", _peripheral),
        clocks=table.tables("clock", _clock),
        identification=table.table("identification", _identification),
        keep_awake=table.table("keep_awake", _bits),
    )
    table.finish()
    return chip


def _bits(table: _Table) -> tuple[int, int]:
    return table.get("address", int), table.get("bits", int)


def _memory(table: _Table) -> MemoryRegion:
    kind = table.get("kind", str)
    if kind not in tuple(MemoryKind):
        table.fail(f"`kind` is `{kind}`; known: {', '.join(MemoryKind)}")
    return MemoryRegion(
        name=table.get("name", str),
        address=table.get("address", int),
        size=table.get("size", int),
        kind=MemoryKind(kind),
        aliases=table.values("aliases", int),
    )


def _io(table: _Table) -> IoWindow:
    return IoWindow(table.get("address", int), table.get("size", int), table.values("aliases", int))


def _clock(table: _Table) -> ClockRule:
    return ClockRule(
        table.get("address", int),
        table.get("mask", int),
        table.get("value", int),
        table.get("hz", int),
    )


def _identification(table: _Table) -> Identification:
    return Identification(
        table.get("idcode_address", int),
        table.tables("idcodes", lambda t: (t.get("part", str, ""), t.get("value", int))),
        table.find("flash_size_address", int),
        table.find("rom_table", int),
    )


def _peripheral(table: _Table) -> Peripheral:
    return Peripheral(
        name=table.get("name", str),
        address=table.get("address", int),
        size=table.get("size", int),
        model=table.get("model", str, "registers"),
        interrupt=table.find("interrupt", int),
        error_interrupt=table.find("error_interrupt", int),
        registers=table.tables("register", _register),
    )


def _register(table: _Table) -> Register:
    return Register(
        name=table.get("name", str),
        offset=table.get("offset", int),
        reset=table.get("reset", int, 0),
        set_bits=table.get("set_bits", int, 0),
        follows=table.tables("follows", _follow),
        reads=table.find("reads", int),
        counts_hz=table.find("counts_hz", int),
    )


def _follow(table: _Table) -> Follow:
    return Follow(table.get("bits", int), table.get("shift", int))


def _board(table: _Table, get_chip: Callable[[str], Chip]) -> Board:
    chip_name = table.find("chip", str) or ""
    emulation = table.table("emulation", _emulation)
    board = Board(
        name=table.get("name", str),
        description=table.get("description", str),
        chip=unmodelled_chip(chip_name),
        part=table.get("part", str),
        archive_names=table.values("archive_names", str),
        probe=table.table("probe", _probe) or ProbeSettings(),
        emulation=emulation,
    )
    table.finish()
    if emulation is not None and not chip_name:
        table.fail("`chip` is missing: [emulation] needs the name of a chip's file")
    try:
        return replace(board, chip=get_chip(chip_name)) if chip_name else board
    except NotFound as error:
        if emulation is None:
            return board
        table.fail(
            f"`chip`: {error}; a board whose chip has no file cannot be emulated, drop "
            "[emulation] to flash and attach it with pyOCD alone"
        )


def _probe(table: _Table) -> ProbeSettings:
    return ProbeSettings(
        pyocd_target=table.get("pyocd_target", str, "cortex_m"),
        flash_target=table.find("flash_target", str),
        pack=table.find("pack", str),
        notes=table.values("notes", str),
        access_port=table.get("access_port", int, 0),
        speed_hz=table.find("speed_hz", int),
        connect=table.find("connect", str),
    )


def _emulation(table: _Table) -> Emulation:
    return Emulation(
        memory=table.table("memory", _sizes) or (),
        spi_devices=table.tables("spi_device", _spi_device),
        leds=table.tables("led", _led),
        uarts=table.tables("uart", _uart),
        devices=table.tables("device", _own_device),
    )


def _sizes(table: _Table) -> tuple[tuple[str, int], ...]:
    sizes = table.remaining()
    for name, size in sizes.items():
        if not isinstance(size, int) or isinstance(size, bool):
            table.fail(f"`{name}` must be a size in bytes, not {size!r:.40}")
    return tuple(sizes.items())


def _spi_device(table: _Table) -> SpiDevice:
    select = table.table("select", _select)
    if select is None:
        table.fail("`select` is missing")
    return SpiDevice(
        name=table.get("name", str),
        model=table.get("model", str),
        bus=table.get("bus", str),
        select=select,
        jedec_id=table.get("jedec_id", int, 0),
        size=table.get("size", int, 0),
    )


def _select(table: _Table) -> ChipSelect:
    return ChipSelect(table.find("port", str), table.find("pin", int), table.find("line", int))


def _led(table: _Table) -> Led:
    return Led(
        table.get("name", str),
        table.get("port", str),
        table.get("pin", int),
        table.get("active_low", bool, False),
    )


def _uart(table: _Table) -> Uart:
    return Uart(table.get("name", str), table.get("peripheral", str))


def _own_device(table: _Table) -> OwnDevice:
    return OwnDevice(
        name=table.get("name", str),
        model=table.get("model", str),
        i2c=table.table("i2c", lambda t: I2cPlace(t.get("bus", str), t.get("address", int))),
        spi=table.find("spi", str),
        select=table.name_or_number("select"),
        uart=table.find("uart", str),
        mapped=table.table("memory", _mapped),
        pins=table.table("pins", _device_pins) or (),
        options=table.table("options", lambda t: tuple(t.remaining().items())) or (),
    )


def _mapped(table: _Table) -> MappedPlace:
    return MappedPlace(
        table.get("address", int), table.get("size", int), table.find("interrupt", int)
    )


def _device_pins(table: _Table) -> tuple[DevicePin, ...]:
    return tuple(
        DevicePin(name, place.get("port", str), place.get("pin", int))
        for name, place in table.named_tables()
    )


def _parse_toml(text: str, path: str) -> dict[str, Any]:
    try:
        return load_toml(text)
    except ValueError as error:
        raise TargetFileError(f"{path}: not valid TOML: {error}", path=path) from None


def _refuse(problems: list[str], path: str) -> None:
    if problems:
        raise TargetFileError(f"{path}: " + "; ".join(problems), path=path)


def _folder(kind: str) -> Traversable:
    try:
        return resources.files("idoldbg._targets").joinpath(kind)
    except ModuleNotFoundError:  # a checkout that nobody has installed
        return Path(__file__).resolve().parents[2] / "targets" / kind


@cache
def _bundled_names(kind: str) -> tuple[str, ...]:
    files = (file.name for file in _folder(kind).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def _bundled_file(kind: str, what: str, name: str) -> Traversable:
    names = _bundled_names(kind)
    if name not in names:
        from difflib import get_close_matches  # 4 ms, for messages alone

        near = get_close_matches(name, names, 3, 0.5)
        hint = "" if near else f"known: {', '.join(names)}"
        raise NotFound(what, name, near=near, hint=hint)
    return _folder(kind).joinpath(f"{name}.toml")


@cache
def _bundled_board(name: str) -> Board:
    file = _bundled_file("boards", "board", name)
    return parse_board(_read(file), str(file))


@cache
def _board_for(archive_board: str) -> str | None:
    """Find the bundled board that lists a name of Hubris; only files that have it are parsed."""
    for name in board_names() if archive_board else ():
        text = _read(_folder("boards").joinpath(f"{name}.toml"))
        if archive_board not in text:
            continue
        if archive_board in _parse_toml(text, name).get("archive_names", []):
            return name
    return None


def _load_own_board(path: Path) -> Board:
    def get_chip(name: str) -> Chip:
        beside = path.parent / f"{name}.toml"
        if beside.is_file() and beside != path:
            return parse_chip(_read(beside), str(beside))
        return load_chip(name)

    folder = str(path.resolve().parent)
    return replace(parse_board(_read(path), str(path), get_chip), folder=folder)


def _read(file: Traversable) -> str:
    try:
        data = read_regular(file, _MAX_FILE_SIZE) if isinstance(file, Path) else file.read_bytes()
        return data.decode()
    except FileNotFoundError:
        raise NotFound("board file", str(file)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TargetFileError(f"{file}: cannot be read: {reason}", path=str(file)) from None
