"""A build of a few kilobytes that has a bit of everything, so that a damaged one is soon read.

A kernel with a task table, and a server with an interface in every encoding, written with the
small DWARF writer of the tests. `parts` are its files, `kernel` and `server` the entries that their
debug information is made of.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from idoldbg.build.debuginfo import constants as dw
from tests.idoldbg.conftest import Die, Writer, make_elf

COMPILE_UNIT = 0x11  # DW_TAG_compile_unit, which no reader of ours asks for
RAM = 0x2000_0000
FLASH = 0x0800_0000
TABLES = FLASH + 0x100  # regions, and which tasks have them
TASK_COUNT = 2
TASK_SIZE = 24

INTERFACE = """Interface(name: "Demo", ops: {
    "get": (
        args: {"port": (type: "Port", recv: FromPrimitive("u8")), "on": "bool"},
        reply: Result(ok: "Block", err: CLike("DemoError")),
        idempotent: true,
    ),
    "put": (
        args: {"block": "Block", "maybe": (type: "Option<Port>", recv: FromPrimitive("u16"))},
        leases: {
            "data": (type: "[u8]", read: true, max_len: Some(8)),
            "out": (type: "Block", write: true),
        },
        reply: Simple("[u8; 2 * 4]"),
        idempotent: true,
    ),
    "ask": (
        encoding: Hubpack,
        args: {"which": "Option<(u8, Block)>"},
        reply: Result(ok: "Result<Block, Port>", err: Complex("Fancy")),
    ),
    "say": (
        encoding: Ssmarshal,
        args: {"a": "[Block; 3]"},
        reply: Simple("Tree"),
        idempotent: true,
    ),
})
"""

APP = """name = "tiny"
board = "nowhere"
chip = "none"
target = "thumbv7em-none-eabihf"
[tasks.jefe]
name = "task-jefe"
priority = 0
stacksize = 512
start = true
notifications = ["fault"]
[tasks.demo]
name = "demo-server"
priority = 1
start = true
task-slots = ["jefe", {other = "demo"}]
uses = ["spi1"]
[tasks.demo.config.allowed-callers]
get = ["jefe"]
"""  # fmt: skip


@dataclass(eq=False)
class Entries:
    """Makes entries by what they are; all of them are in `top` or inside of one that is."""

    top: list[Die] = field(default_factory=list)

    def add(self, tag: int, name: str, *attributes: Any, children: Sequence[Die] = ()) -> Die:
        named = (dw.DW_AT_name, dw.DW_FORM_strp, name)
        self.top.append(Die(tag, [named, *attributes], list(children)))
        return self.top[-1]

    def base(self, name: str, size: int, encoding: int) -> Die:
        kind = (dw.DW_AT_encoding, dw.DW_FORM_data1, encoding)
        return self.add(dw.DW_TAG_base_type, name, _size(size), kind)

    def struct(self, name: str, size: int, *members: tuple[str, int, Die]) -> Die:
        children = [_member(*m) for m in members]
        return self.add(dw.DW_TAG_structure_type, name, _size(size), children=children)

    def c_enum(self, name: str, under: Die, *names: str) -> Die:
        children = [
            Die(dw.DW_TAG_enumerator, [_named(n), (dw.DW_AT_const_value, dw.DW_FORM_data1, i + 1)])
            for i, n in enumerate(names)
        ]
        return self.add(dw.DW_TAG_enumeration_type, name, _size(1), _type(under), children=children)

    def enum(self, name: str, size: int, tag: Die, *variants: tuple[str, Die | None]) -> Die:
        selector = _member("tag", 0, tag)
        inner: list[Die] = []
        cases = []
        for number, (variant, held) in enumerate(variants):
            members = [] if held is None else [_member("__0", 1, held)]
            inner.append(Die(dw.DW_TAG_structure_type, [_named(variant), _size(size)], members))
            value = (dw.DW_AT_discr_value, dw.DW_FORM_data1, number)
            cases.append(Die(dw.DW_TAG_variant, [value], [_member(variant, 0, inner[-1])]))
        refers = (dw.DW_AT_discr, dw.DW_FORM_ref4, selector)
        part = Die(dw.DW_TAG_variant_part, [refers], [selector, *cases])
        return self.add(dw.DW_TAG_structure_type, name, _size(size), children=[part, *inner])

    def array(self, element: Die, count: int) -> Die:
        bound = Die(dw.DW_TAG_subrange_type, [(dw.DW_AT_count, dw.DW_FORM_udata, count)])
        self.top.append(Die(dw.DW_TAG_array_type, [_type(element)], [bound]))
        return self.top[-1]

    def static(self, name: str, of: Die, address: int) -> Die:
        where = (dw.DW_AT_location, dw.DW_FORM_exprloc, b"\x03" + struct.pack("<I", address))
        return self.add(dw.DW_TAG_variable, name, _type(of), where)

    def function(self, name: str, linkage: str, result: Die, *parameters: Die) -> Die:
        link = (dw.DW_AT_linkage_name, dw.DW_FORM_strp, linkage)
        children = [
            Die(dw.DW_TAG_formal_parameter, [_named(f"p{i}"), _type(p)])
            for i, p in enumerate(parameters)
        ]
        return self.add(dw.DW_TAG_subprogram, name, link, _type(result), children=children)

    def unit(self) -> Die:
        return Die(COMPILE_UNIT, [_named("unit")], self.top)


def _named(text: str) -> tuple[int, int, str]:
    return (dw.DW_AT_name, dw.DW_FORM_strp, text)


def _size(value: int) -> tuple[int, int, int]:
    return (dw.DW_AT_byte_size, dw.DW_FORM_data1, value)


def _type(target: Die) -> tuple[int, int, Die]:
    return (dw.DW_AT_type, dw.DW_FORM_ref4, target)


def _member(name: str, offset: int, target: Die) -> Die:
    at = (dw.DW_AT_data_member_location, dw.DW_FORM_udata, offset)
    return Die(dw.DW_TAG_member, [_named(name), _type(target), at])


def kernel() -> Die:
    """Describe the kernel: a table of two tasks, and what says which one runs."""
    e = Entries()
    u8, u16 = e.base("u8", 1, dw.DW_ATE_unsigned), e.base("u16", 2, dw.DW_ATE_unsigned)
    u32, u64 = e.base("u32", 4, dw.DW_ATE_unsigned), e.base("u64", 8, dw.DW_ATE_unsigned)
    generation = e.struct("abi::Generation", 1, ("__0", 0, u8))
    priority = e.struct("abi::Priority", 1, ("__0", 0, u8))
    id_ = e.struct("abi::TaskId", 2, ("__0", 0, u16))
    optional = e.enum("core::option::Option<abi::TaskId>", 4, u8, ("None", None), ("Some", id_))
    scheduled = e.enum(
        "abi::SchedState", 6, u8,
        ("Stopped", None), ("Runnable", None), ("InSend", id_), ("InReply", id_),
        ("InRecv", optional),
    )  # fmt: skip
    fault = e.enum("abi::FaultInfo", 3, u8, ("DivideByZero", None), ("Injected", id_))
    both = e.struct("abi::Faulted", 9, ("fault", 0, fault), ("original_state", 3, scheduled))
    state = e.enum("abi::TaskState", 12, u8, ("Healthy", scheduled), ("Faulted", both))
    save = e.struct("kern::arch::SavedState", 8, ("r4", 0, u32), ("r6", 4, u32))
    table = e.struct(
        "kern::task::Task", TASK_SIZE,
        ("generation", 0, generation), ("priority", 1, priority), ("state", 2, state),
        ("save", 16, save),
    )  # fmt: skip
    bits = e.struct("kern::descs::RegionAttributes", 4, ("bits", 0, u32))
    region = e.struct(
        "kern::descs::RegionDesc", 12, ("base", 0, u32), ("size", 4, u32), ("attributes", 8, bits)
    )
    task = e.struct(
        "kern::descs::TaskDesc", 12, ("regions", 0, e.array(u8, 8)), ("initial_stack", 8, u32)
    )
    e.static("HUBRIS_TASK_DESCS", e.array(task, TASK_COUNT), TABLES)
    e.static("HUBRIS_REGION_DESCS", e.array(region, 4), TABLES + 12 * TASK_COUNT)
    e.static("CURRENT_TASK_PTR", u32, RAM)
    e.static("TICKS", u64, RAM + 8)
    e.static("HUBRIS_TASK_TABLE_SPACE", e.array(table, TASK_COUNT), RAM + 16)
    return _spread(e)


def server() -> Die:
    """Describe a server of `INTERFACE`."""
    e = Entries()
    u8, u16 = e.base("u8", 1, dw.DW_ATE_unsigned), e.base("u16", 2, dw.DW_ATE_unsigned)
    u32 = e.base("u32", 4, dw.DW_ATE_unsigned)
    e.base("bool", 1, dw.DW_ATE_boolean)
    e.base("f32", 4, dw.DW_ATE_float)
    port = e.c_enum("demo_api::Port", u8, "A", "B")
    error = e.c_enum("demo_api::DemoError", u8, "Bad", "Dead")
    block = e.struct("demo_api::Block", 6, ("a", 0, u32), ("b", 4, u16))
    pair = e.struct("(u8, demo_api::Block)", 7, ("__0", 0, u8), ("__1", 1, block))
    fancy = e.enum("demo_api::Fancy", 8, u8, ("No", None), ("Other", block))
    maybe = e.enum(
        "core::option::Option<(u8, demo_api::Block)>", 8, u8, ("None", None), ("Some", pair)
    )
    result = e.enum(
        "core::result::Result<demo_api::Block, demo_api::Port>", 8, u8, ("Ok", block), ("Err", port)
    )
    tree = e.struct("demo_api::Tree", 8)
    pointer = Die(dw.DW_TAG_pointer_type, [_named("&demo_api::Tree"), _type(tree)])
    e.top.append(pointer)
    tree.children = [_member("next", 0, pointer), _member("value", 4, u32)]
    e.struct("server::idl::Demo_get_ARGS", 2, ("raw_port", 0, u8), ("raw_on", 1, u8))
    e.struct("server::idl::Demo_ask_ARGS", 8, ("which", 0, maybe))
    e.struct("server::idl::Demo_ask_REPLY", 8, ("value", 0, result))
    arguments = e.struct("(demo_api::Port, bool)", 2, ("__0", 0, port), ("__1", 1, u8))
    e.struct("server::idl::Demo_get_TYPES", 6, ("arguments", 0, arguments), ("error", 2, error))
    e.static("__DEMO_SERVER_COUNTERS", e.array(u32, 4), RAM + 64)
    e.static("RINGBUF", fancy, RAM + 80)
    e.function("ask", "_R_InOrderDemoImpl_ask", result, pointer, pointer, maybe)
    return _spread(e)


def _spread(entries: Entries) -> Die:
    """Put the entries of `a::b::C` into namespaces, as rustc does."""
    spaces: dict[str, Die] = {}
    top: list[Die] = []
    for die in entries.top:
        text = next((v for a, _, v in die.attributes if a == dw.DW_AT_name), "")
        head, bracket, tail = text.partition("<")
        *path, last = head.split("::")
        if not path or head.startswith(("(", "&")):
            top.append(die)
            continue
        around = top
        for index in range(len(path)):
            key = "::".join(path[: index + 1])
            if key not in spaces:
                spaces[key] = Die(dw.DW_TAG_namespace, [_named(path[index])], [])
                around.append(spaces[key])
            around = spaces[key].children  # type: ignore[assignment] # these are lists
        die.attributes = [
            (a, f, f"{last}{bracket}{tail}" if a == dw.DW_AT_name else v)
            for a, f, v in die.attributes
        ]
        around.append(die)
    return Die(COMPILE_UNIT, [_named("unit")], top)


def memory() -> bytes:
    """Return what stands at `RAM`: the first task runs, the second waits for it."""
    header = struct.pack("<IIQ", RAM + 16, 0, 12345)
    jefe = struct.pack("<BBBB", 1, 0, 0, 1).ljust(TASK_SIZE, b"\0")
    demo = struct.pack("<BBBBH", 2, 1, 0, 3, 0).ljust(TASK_SIZE, b"\0")
    return (header + jefe + demo).ljust(128, b"\x01")


def tables() -> bytes:
    """Return what stands at `TABLES`: each task has a region of flash, and both have the RAM."""
    tasks = struct.pack("<8BI", 1, 3, *bytes(6), RAM + 96)
    tasks += struct.pack("<8BI", 2, 3, *bytes(6), RAM + 128)
    regions = [(0, 32, 0), (FLASH + 0x400, 64, 5), (FLASH + 0x800, 64, 5), (RAM, 128, 3)]
    return tasks + b"".join(struct.pack("<III", *each) for each in regions)


def encode_object(
    unit: Die, *, interface: str = "", version: int = 4, at: int = FLASH, more: bytes = b""
) -> bytes:
    """Return an ELF file with debug information, an interface, and a little flash.

    `more` is what stands at `TABLES`.
    """
    sections = Writer(version).sections([unit])
    if interface:
        sections[".idolatry"] = interface.encode()
    return make_elf(sections, [(at, bytes(range(64))), *([(TABLES, more)] if more else [])])


def parts(version: int = 4) -> dict[str, bytes]:
    """Return the files of the whole build by their names in an archive."""
    return {
        "app.toml": APP.encode(),
        "git-rev": b"0123456789abcdef",
        "image-name": b"default",
        "elf/kernel": encode_object(kernel(), version=version, more=tables()),
        "elf/task/jefe": encode_object(Entries().unit(), at=FLASH + 0x400),
        "elf/task/demo": encode_object(
            server(), interface=INTERFACE, version=version, at=FLASH + 0x800
        ),
        # With memory in it, so that there are tasks to look at without a dump.
        "img/final.elf": make_elf(
            {}, [(FLASH, bytes(range(128))), (TABLES, tables()), (RAM, memory())]
        ),
    }
