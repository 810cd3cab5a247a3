"""`manifest`: the image, tasks and their sizes, buses, devices, sensors, sockets."""

from __future__ import annotations

import re
from typing import Any

from tests.real.peer import Peer

COMMAND = "manifest"
NO = {"<unknown>": "", "<none>": "", "-": None}


def parse(text: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    table, columns = "", ""
    for line in text.splitlines():
        head = re.match(r" {0,11}(\S[\w ]*?) => (.*)", line)
        if head is not None:
            table = head[1]
            facts[table] = head[2]
        elif line.lstrip().startswith(("ID ", "C PORT", "NAME ")):
            columns = line
        else:
            facts |= parse_row(table, line, "(\\S+)" if "REFDES" in columns else "()")
    return facts


def parse_row(table: str, line: str, refdes: str) -> dict[str, Any]:
    """Read a row; older outputs have no column for the place on the drawing, `refdes`."""
    if table == "tasks":
        found = re.match(r" *\d+ +(\d+) (\S+) +([\d.]+)K ?(.*)", line)
        assert found is not None, line
        task = found[2]
        return {
            f"task {task} object": int(found[1]),
            f"task {task} size": found[3],
            f"task {task} features": found[4].strip(),
        }
    if table == "i2c buses":
        found = re.match(r" *(\d+) (\S+) +(init|trgt) (\S+) *(.*)", line)
        assert found is not None, line
        return {f"bus {found[1]} {found[2]}": (found[3], NO.get(found[4], found[4]), found[5])}
    if table == "i2c devices":
        found = re.match(
            r" *(\d+) +(\d+) +(\S+) +(\S+) +(0x\w+) " + refdes + r" *(\S+) +(.*)", line
        )
        assert found is not None, line
        name, facts = f"i2c {found[1]}", (*found.group(2, 3, 4, 5, 7), found[8].strip())
    elif table == "sensors":
        found = re.match(r" *(\d+) (\S.*?) +(i2c id=\d+|\S+) +" + refdes + r" *(\S+)$", line)
        assert found is not None, line
        name, facts = f"sensor {found[1]}", found.group(2, 3, 5)
    else:
        return parse_socket(line)
    place = found[6 if table == "i2c devices" else 4]
    return {name: facts} | ({f"{name} refdes": NO.get(place, place)} if place else {})


def parse_socket(line: str) -> dict[str, Any]:
    found = re.match(r" *(\S+) +(\S+) +(\d+) +(\d+) (\S+)", line)
    assert found is not None, line
    return {f"socket {found[1]}": (found[2], int(found[3]), int(found[4]), found[5])}


def count(items: list[Any], name: str, many: str = "") -> str:
    return f"{len(items)} {name if len(items) == 1 else many or name + 's'}"


def facts_of(found: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    devices = found["devices"]
    digits = [f"{byte:x}" for byte in bytes.fromhex(found["image_id"])]
    version = re.sub(r"v1\.0\.0$", "v1", theirs["version"])
    facts: dict[str, Any] = {
        "version": theirs["version"] if version.endswith(f" v{found['format_version']}") else "?",
        "git rev": found["git_rev"],
        "image id": f"[{', '.join(digits)}]" if digits else "",
        "board": found["board"],
        "name": found["name"],
        "image": found["image_name"],
        "target": found["target"],
        "features": ", ".join(found["features"]),
        "total size": f"{found['total_size'] // 1024}K",
        "kernel size": f"{found['kernel_size'] // 1024}K",
        "tasks": str(len(found["tasks"])),
    }
    for task in found["tasks"]:
        name = f"task {task['name']}"
        facts[f"{name} object"] = task["index"] + 1
        facts[f"{name} size"] = f"{task['size'] / 1024:.1f}"
        facts[f"{name} features"] = ", ".join(task["features"])
    if devices["buses"]:
        controllers = {bus["controller"] for bus in devices["buses"]}
        buses = count(devices["buses"], "bus", "buses")
        facts["i2c buses"] = f"{count(list(controllers), 'controller')}, {buses}"
    for bus in devices["buses"]:
        mode = "trgt" if bus["is_target"] else "init"
        facts[f"bus {bus['controller']} {bus['port']}"] = (
            mode, bus["name"], bus["description"] or "-",
        )  # fmt: skip
    facts |= device_facts(devices)
    return facts


KINDS = {"temperature": "temp"}


def device_facts(devices: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if devices["i2c_devices"]:
        facts["i2c devices"] = count(devices["i2c_devices"], "device")
    for index, each in enumerate(devices["i2c_devices"]):
        mux = "-" if each["mux"] is None else f"{each['mux']}:{each['segment']}"
        facts[f"i2c {index}"] = (
            str(each["controller"]), each["port"], mux, f"0x{each['address']:02x}",
            each["device"], each["description"].strip(),
        )  # fmt: skip
        facts[f"i2c {index} refdes"] = each["refdes"]
    if devices["sensors"]:
        facts["sensors"] = count(devices["sensors"], "sensor")
    for index, each in enumerate(devices["sensors"]):
        is_i2c = isinstance(each["device"], int)
        device = f"i2c id={each['device']}" if is_i2c else each["device"]
        kind = KINDS.get(each["kind"], each["kind"])
        facts[f"sensor {index}"] = (each["name"], device, kind)
        facts[f"sensor {index} refdes"] = each["refdes"]
    if devices["sockets"]:
        facts["sockets"] = count(devices["sockets"], "socket")
    for each in devices["sockets"]:
        facts[f"socket {each['name']}"] = (
            each["kind"], each["port"], each["rx_bytes"], each["owner"],
        )  # fmt: skip
    return facts


def test_manifest(peer: Peer) -> None:
    if peer.failure:
        peer.may_fail(lambda: peer.json("manifest"))
    theirs = {name: NO.get(value, value) for name, value in parse(peer.stdout).items()}
    ours = facts_of(peer.json("manifest"), theirs)
    if not any(name.endswith(" refdes") for name in theirs):
        ours = {name: value for name, value in ours.items() if not name.endswith(" refdes")}
    peer.compare(theirs, ours)
