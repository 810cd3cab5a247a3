"""Environment files: names for targets, each with its probe and its build.

Read are TOML of our own (`[targets.NAME]` with `probe`, `archive`, `board`, `description`,
`commands`; paths relative to the file), Humility's JSON (its `humility-cli/src/env.rs`: `probe`,
`archive`, `description`, `cmds`; paths relative to the working directory, else to the file) and
labgrid's YAML.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from idol.bounded_toml import load_toml
from idol.near import near_misses
from idol.patterns import compile_late
from idol.records import dataclass, field
from idoldbg.build.load.files import read_regular
from idoldbg.errors import ArgumentError, NotFound, ProbeNotFound, TargetFileError
from idoldbg.target.usb import DEVICES, list_usb_devices

__all__ = [
    "YAML",
    "NamedTarget",
    "get_target",
    "is_probe_text",
    "list_probe_ids",
    "read_environment",
    "to_spec",
]

MAX_SIZE = 1 << 20  # bytes
MAX_DEPTH = 16  # of nested commands
YAML = (".yaml", ".yml")
_USB = compile_late(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::([^\n]*))?")
_NTH = compile_late(r"usb-(\d{1,4})")
Commands = Mapping[str, Any]


class _Malformed(ValueError):
    """An entry that is not as it should be."""


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """Target of an environment file.

    `probe` is a SPEC, or Humility's text for one. `archives` are paths by name; a single one that
    has no name is under "". `commands` are command lines by name, or further levels of names.
    """

    name: str
    probe: str | None
    archives: Mapping[str, str]
    board: str | None = None
    description: str = ""
    commands: Commands = field(default_factory=dict)

    def archive(self, name: str | None) -> str | None:
        """Return the build called `name`, the only one for None; raise `ArgumentError`."""
        if name is None and len(self.archives) <= 1:
            return next(iter(self.archives.values()), None)
        known = ", ".join(n for n in self.archives if n)
        if name is None:
            message = f"target `{self.name}` has several builds: choose one of {known}"
        elif name in self.archives and name:
            return self.archives[name]
        elif known:
            message = f"target `{self.name}` has no build `{name}`: it has {known}"
        else:
            message = f"the build of target `{self.name}` has no name: leave the option out"
        raise ArgumentError(message, name="--archive-name")


def get_target(path: str, name: str) -> NamedTarget:
    """Return a target of an environment file; raise `NotFound`, `TargetFileError`, `OSError`.

    For one of labgrid's also what reaching its place raises.
    """
    if path.endswith(YAML):
        read_target = _labgrid().read_target
        found = read_target(path, name)
        archives = {} if found.archive is None else {"": found.archive}
        return NamedTarget(name, found.probe, archives, found.board)
    targets = read_environment(path)
    if name in targets:
        return targets[name]
    near = near_misses(name, targets)
    hint = "" if near else f"it has {', '.join(targets) or 'none'}"
    raise NotFound("target", name, near=near, where=path, hint=hint)


def read_environment(path: str) -> dict[str, NamedTarget]:
    """Return the targets of an environment file, in its order; raise as `get_target`."""
    if path.endswith(YAML):
        return {name: NamedTarget(name, None, {}) for name in _labgrid().list_targets(path)}
    try:
        text = read_regular(path, MAX_SIZE).decode()
        folder = Path(path).parent
        if path.endswith(".json"):
            document = json.loads(text)
            return _read_all(document, lambda name, entry: _read_humility(name, entry, folder))
        document = load_toml(text)
        _check_keys(document, {"targets"}, "")
        return _read_all(
            document.get("targets", {}), lambda name, entry: _read_own(name, entry, folder)
        )
    except (ValueError, RecursionError) as error:  # RecursionError: JSON of brackets alone
        reason = "nested too deeply" if isinstance(error, RecursionError) else f"{error!s:.300}"
        raise TargetFileError(f"{path}: {reason}", path=path) from None


def _labgrid() -> ModuleType:
    try:
        return import_module("idoldbg.labgrid.environment")
    except ModuleNotFoundError as error:
        raise ArgumentError(
            f"labgrid's environments need the Python package `{error.name}`: pip install "
            "'idoldbg[labgrid]'",
            name="--environment",
        ) from error


def _read_all(document: Any, read: Callable[[str, Any], NamedTarget]) -> dict[str, NamedTarget]:
    if not isinstance(document, dict):
        raise _Malformed("a table of targets is expected")
    return {name: read(name, entry) for name, entry in document.items()}


def _read_humility(name: str, entry: Any, folder: Path) -> NamedTarget:
    _check_keys(entry, {"probe", "archive", "description", "cmds"}, f"`{name}`: ")
    for key in ("probe", "archive"):
        if key not in entry:
            raise _Malformed(f"`{name}`: `{key}` is missing")
    return NamedTarget(
        name,
        _text(entry, "probe", name),
        {
            key: _found(path, folder)
            for key, path in _archives(entry["archive"], name, Path()).items()
        },
        None,
        _text(entry, "description", name) or "",
        _commands(entry.get("cmds", {}), f"`{name}`: `cmds`"),
    )


def _found(path: str, folder: Path) -> str:
    """Return a path of the working directory, or where it is beside the file alone, that one."""
    beside = folder / path
    return str(beside) if not Path(path).exists() and beside.exists() else path


def _read_own(name: str, entry: Any, folder: Path) -> NamedTarget:
    known = {"probe", "archive", "board", "description", "commands"}
    _check_keys(entry, known, f"`targets.{name}`: ")
    board = _text(entry, "board", name)
    return NamedTarget(
        name,
        _text(entry, "probe", name),
        _archives(entry.get("archive", {}), name, folder),
        str(folder / board) if board is not None and board.endswith(".toml") else board,
        _text(entry, "description", name) or "",
        _commands(entry.get("commands", {}), f"`targets.{name}`: `commands`"),
    )


def _check_keys(entry: Any, known: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise _Malformed(f"{where}a table is expected")
    for key in entry:
        if key not in known:
            near = near_misses(key, sorted(known))
            advice = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}"
            raise _Malformed(f"{where}unknown key `{key}`; {advice}")


def _text(entry: Mapping[str, Any], key: str, name: str) -> str | None:
    value = entry.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise _Malformed(f"`{name}`: `{key}` should be a string")
    return value


def _archives(value: Any, name: str, folder: Path) -> dict[str, str]:
    named = value if isinstance(value, dict) else {"": value}
    for path in named.values():
        if not isinstance(path, str) or not path:
            raise _Malformed(f"`{name}`: `archive` should be a path, or paths by name")
    return {key: str(folder / path) for key, path in named.items()}


def _commands(value: Any, where: str, depth: int = 0) -> Commands:
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        raise _Malformed(f"{where} should be command lines by name")
    for key, entry in value.items():
        if not isinstance(entry, str):
            _commands(entry, f"{where}.`{key}`", depth + 1)
    return value


def is_probe_text(text: str) -> bool:
    """Return whether a text is one of Humility's for a probe."""
    return text in ("auto", "usb") or bool(_NTH.fullmatch(text) or _USB.fullmatch(text))


def list_probe_ids() -> list[str]:
    """Return the ids of the debug probes that pyOCD finds."""
    from idoldbg.target.probe.probes import list_probes

    listing = list_probes(guess_boards=False)
    return [probe.unique_id for probe in listing.probes if not probe.is_emulated]


def to_spec(
    text: str,
    list_ids: Callable[[], Sequence[str]] = list_probe_ids,
    *,
    devices: str = DEVICES,
) -> str:
    """Return the SPEC for Humility's text of a probe, any other text as it is.

    `auto` and `usb` are the only probe, `usb-N` the one of that index among `list_ids()`, sorted;
    `VID:PID:SERIAL` and `VID:PID` are found by their serial number. Raises `ProbeNotFound`.
    """
    if text in ("auto", "usb"):
        return "pyocd"
    nth = _NTH.fullmatch(text)
    if nth is not None:
        ids = sorted(list_ids())
        if int(nth[1]) >= len(ids):
            raise ProbeNotFound(f"`{text}`: {len(ids)} probes are connected", link=text)
        return f"pyocd:{ids[int(nth[1])]}"
    usb = _USB.fullmatch(text)
    if usb is None:
        return text
    vendor, product, serial = usb.groups()
    return f"pyocd:{serial or _find_serial(vendor.lower(), product.lower(), devices)}"


def _find_serial(vendor: str, product: str, devices: str) -> str:
    """Return the serial number of the only USB device with these ids."""
    found = list_usb_devices(devices)
    serials = [each.serial for each in found if (each.vendor, each.product) == (vendor, product)]
    name = f"{vendor}:{product}"
    if len(serials) == 1 and serials[0]:
        return serials[0]
    if not serials:
        raise ProbeNotFound(f"{name}: no such USB device is connected", link=name)
    raise ProbeNotFound(
        f"{name} fits {len(serials)} USB devices, name one by its serial number: "
        + ", ".join(f"{name}:{serial or '?'}" for serial in serials),
        link=name,
    )
