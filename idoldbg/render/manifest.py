"""Manifests, and what differs between two, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from idoldbg.render import source as source_object
from idoldbg.render.printable import join_lines, one_line
from idoldbg.render.text import table_lines
from idoldbg.views.devices import Devices, I2cDevice
from idoldbg.views.manifest import Change, Manifest, TaskFacts
from idoldbg.views.source import Source

__all__ = ["changes_json", "changes_text", "json", "text"]

NOTHING = "-"


def text(found: Manifest) -> str:
    """Write facts about the image, its tasks, and the devices that it describes."""
    version = f"format {found.format_version}" if found.format_version else "not an archive"
    rows = [
        ["archive", version],
        ["git rev", found.git_rev or "unknown"],
        ["image id", found.image_id or "none"],
        ["name", found.name],
        ["image", found.image_name or "unknown"],
        ["board", found.board],
        ["chip", found.chip or "unknown"],
        ["target", found.target],
        ["kernel features", ", ".join(found.features) or "none"],
        ["size", f"{_size(found.total_size)}, the kernel {_size(found.kernel_size)}"],
    ]
    blocks = [table_lines(rows), _tasks(found.tasks), *_devices(found.devices)]
    if found.members:
        members = [[name, str(size), digest] for name, size, digest in found.members]
        blocks.append(table_lines([["MEMBER", "SIZE", "SHA-256"], *members], right=(1,)))
    if found.devices.problems:
        blocks.append([one_line(f"note: {problem}") for problem in found.devices.problems])
    return join_lines([line for block in blocks for line in ["", *block]][1:])


def _size(size: int | None) -> str:
    return "unknown" if size is None else f"{size} bytes"


def _tasks(tasks: Sequence[TaskFacts]) -> list[str]:
    rows = [["#", "TASK", "PRIORITY", "SIZE", "STACK", "SERVES", "FEATURES"]]
    for task in tasks:
        numbers = (task.priority, task.size, task.stack_size)
        priority, size, stack = (NOTHING if n is None else str(n) for n in numbers)
        features = ", ".join(task.features)
        serves = task.interface or ""
        rows.append([str(task.index), task.name, priority, size, stack, serves, features])
    return table_lines(rows, right=(0, 2, 3, 4))


def _devices(found: Devices) -> Iterator[list[str]]:
    if found.buses:
        rows = [["CONTROLLER", "PORT", "MODE", "BUS", "DESCRIPTION"]]
        for bus in found.buses:
            mode = "target" if bus.is_target else "initiator"
            name, description = bus.name or NOTHING, bus.description or ""
            rows.append([str(bus.controller), bus.port, mode, name, description])
        yield table_lines(rows)
    if found.i2c_devices:
        rows = [["ID", "C", "PORT", "MUX", "ADDRESS", "REFDES", "DEVICE", "DESCRIPTION"]]
        rows += [_i2c_device(str(index), each) for index, each in enumerate(found.i2c_devices)]
        yield table_lines(rows, right=(0,))
    if found.sensors:
        rows = [["ID", "SENSOR", "KIND", "DEVICE", "REFDES"]]
        for index, sensor in enumerate(found.sensors):
            device = sensor.device if isinstance(sensor.device, str) else f"i2c {sensor.device}"
            rows.append([str(index), sensor.name, sensor.kind, device, sensor.refdes or NOTHING])
        yield table_lines(rows, right=(0,))
    if found.sockets:
        rows = [["SOCKET", "KIND", "PORT", "RX", "TX", "OWNER"]]
        for socket in found.sockets:
            rx = f"{socket.rx_packets} × {socket.rx_bytes}"
            tx = f"{socket.tx_packets} × {socket.tx_bytes}"
            rows.append([socket.name, socket.kind, str(socket.port), rx, tx, socket.owner])
        yield table_lines(rows, right=(2,))
    if found.aux_flash is not None:
        flash = found.aux_flash
        yield [f"auxiliary flash: {flash.memory_size} bytes in {flash.slot_count} slots"]


def _i2c_device(index: str, found: I2cDevice) -> list[str]:
    mux = NOTHING if found.mux is None else f"{found.mux}:{found.segment}"
    controller = NOTHING if found.controller is None else str(found.controller)
    port, refdes = found.port or NOTHING, found.refdes or NOTHING
    address, device = f"0x{found.address:02x}", found.device
    return [index, controller, port, mux, address, refdes, device, found.description]


def json(found: Manifest, source: Source) -> dict[str, Any]:
    """Return the object of `manifest`."""
    members = [{"name": n, "size": s, "sha256": d} for n, s, d in found.members]
    return {
        "schema": "idoldbg.manifest/1",
        "source": source_object.json(source),
        **asdict(found),
        "members": members,
    }


def changes_text(changes: Sequence[Change]) -> str:
    """Write what differs, a line each."""
    if not changes:
        return "no difference"
    rows = [[c.what, _value(c.before), "→", _value(c.after)] for c in changes]
    return join_lines(table_lines(rows))


def _value(value: Any) -> str:
    match value:
        case None:
            return NOTHING
        case dict():
            return ", ".join(f"{k}={_value(v)}" for k, v in value.items())
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
    return str(value) if value != "" else "none"


def changes_json(changes: Sequence[Change], source: Source, other: str) -> dict[str, Any]:
    """Return the object of `manifest --diff`; `other` is the path of the second build."""
    return {
        "schema": "idoldbg.manifest-diff/1",
        "source": source_object.json(source),
        "other": other,
        "changes": [asdict(change) for change in changes],
    }
