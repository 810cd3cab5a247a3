"""Damaged builds, the same for the same seed: from single bits to whole made-up files.

Each kind goes as deep as what it damages allows: what lies around it stays whole, so that readers
do not stop before they get there.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from idoldbg.build.debuginfo import constants as dw
from idoldbg.build.load.dump_writer import encode_dump
from idoldbg.model.memory import Segment
from tests.idol import mutate as idol_mutate
from tests.idoldbg.conftest import ADDRX, BLOCKS, REFERENCES, STRX, WIDTHS, Die, Writer, make_elf
from tests.idoldbg.hostile import builds, zips
from tests.idoldbg.hostile.zips import Member

#: Numbers that sizes, counts and offsets like to be wrong by.
NUMBERS = (
    *(0, 1, 2, 3, 4, 7, 8, 11, 12, 16, 31, 32, 40, 52, 63, 64, 127, 128, 255, 256),
    *(0x7FFF, 0x8000, 0xFFFF, 0x10000, 0xFFFFFF, 0x7FFFFFFF, 0x80000000),
    *(0xFFFFFFF0, 0xFFFFFFFC, 0xFFFFFFFF),
)
FORMS = [
    *sorted({*WIDTHS, *STRX, *ADDRX, *REFERENCES, *BLOCKS}),
    *(dw.DW_FORM_strp, dw.DW_FORM_line_strp, dw.DW_FORM_string, dw.DW_FORM_exprloc),
    *(dw.DW_FORM_block, dw.DW_FORM_sdata, dw.DW_FORM_udata, dw.DW_FORM_ref_udata),
    *(dw.DW_FORM_indirect, dw.DW_FORM_strx, dw.DW_FORM_addrx),
]
TAGS = [value for name, value in vars(dw).items() if name.startswith("DW_TAG_")]
ATTRIBUTES = [value for name, value in vars(dw).items() if name.startswith("DW_AT_")]
NAMES = (
    *("", "u8", "Demo_get_ARGS", "Demo_ask_REPLY", "Demo_get_TYPES", "value", "__0", "tag", "None"),
    *(
        "Option<u8>",
        "Option<" * 40,
        "(" * 100,
        "A" * 70000,
        "a::b",
        "\u2028",
        "core",
        "Ok",
        "{impl#0}",
    ),
    *("HUBRIS_TASK_TABLE_SPACE", "CURRENT_TASK_PTR", "Task", "RINGBUF", "[u8; 99999999999]"),
)

Random = random.Random


def damage_bytes(generator: Random, data: bytes, times: int) -> bytes:
    """Overwrite, cut, double or insert in a few places."""
    out = bytearray(data)
    for _ in range(times):
        if not out:
            break
        at = generator.randrange(len(out))
        how = generator.random()
        if how < 0.35:
            out[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        elif how < 0.65:
            number = generator.choice((*NUMBERS, len(out), generator.getrandbits(32)))
            word = struct.pack("<I", number)[: generator.choice((2, 4))]
            at = at // 4 * 4 if generator.random() < 0.5 else at
            out[at : at + len(word)] = word
        elif how < 0.8:
            source = generator.randrange(len(out))
            piece = out[source : source + generator.randrange(1, 40)]
            out[at : at + len(piece)] = piece
        elif how < 0.9:
            out[at:at] = generator.randbytes(generator.randrange(1, 9))
        else:
            del out[at : at + generator.randrange(1, 16)]
    if generator.random() < 0.05:
        del out[generator.randrange(len(out) + 1) :]
    return bytes(out)


def few(generator: Random) -> int:
    """Choose how many places to damage: mostly one."""
    return generator.choice((1, 1, 1, 2, 3, 6))


# -- debug information -------------------------------------------------------------------------


class LyingWriter(Writer):
    """Writes entries whose attributes need not fit their forms."""

    def _value(self, form: int, value: Any, unit: int) -> bytes:
        try:
            return super()._value(form, value, unit)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError, struct.error):
            width = {**WIDTHS, **STRX, **ADDRX, **REFERENCES}.get(form, 1)
            return bytes([len(repr(form)) % 256]) * width


def iter_entries(die: Die) -> list[Die]:
    """Return an entry and all below it; those that were put into themselves once."""
    seen: dict[int, Die] = {}
    left = [die]
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            left.extend(one.children)
    return list(seen.values())


def damage_entries(generator: Random, unit: Die, times: int) -> None:
    """Change tags, attributes, values and the tree itself."""
    for _ in range(times):
        entries = iter_entries(unit)
        die = generator.choice(entries)
        how = generator.random()
        if how < 0.1:
            die.tag = generator.choice(TAGS)
        elif how < 0.2:
            _grow(generator, die, generator.choice(entries))
        elif how < 0.25 and die.children:
            die.children = [c for c in die.children if generator.random() < 0.5]
        elif how < 0.35:
            attribute = (generator.choice(ATTRIBUTES), *_form_and_value(generator, entries))
            die.attributes = [*die.attributes, attribute]
        elif die.attributes:
            attributes = list(die.attributes)
            index = generator.randrange(len(attributes))
            attribute_, form, value = attributes[index]
            if how < 0.5:
                attributes[index] = (attribute_, *_form_and_value(generator, entries))
            elif how < 0.6:
                del attributes[index]
            elif isinstance(value, Die):
                attributes[index] = (attribute_, form, generator.choice(entries))
            elif isinstance(value, str):
                attributes[index] = (attribute_, form, generator.choice(NAMES))
            elif isinstance(value, bytes):
                attributes[index] = (attribute_, form, damage_bytes(generator, value, 1))
            else:
                number = generator.choice(NUMBERS)
                wide = dw.DW_FORM_udata if number > 0xFF else form
                attributes[index] = (attribute_, wide, number)
            die.attributes = attributes


def _form_and_value(generator: Random, entries: Sequence[Die]) -> tuple[int, Any]:
    form = generator.choice(FORMS)
    if form in REFERENCES or form == dw.DW_FORM_ref_udata:
        return form, generator.choice(entries)
    if form in (dw.DW_FORM_strp, dw.DW_FORM_line_strp, dw.DW_FORM_string, dw.DW_FORM_strx):
        return form, generator.choice(NAMES).replace("\0", "")
    if form in STRX:
        return form, generator.choice(NAMES)
    if form in BLOCKS or form in (dw.DW_FORM_exprloc, dw.DW_FORM_block):
        return form, generator.randbytes(generator.choice((0, 1, 5, 9)))
    if form == dw.DW_FORM_indirect:
        return form, (generator.choice((dw.DW_FORM_udata, dw.DW_FORM_data4)), 7)
    return form, generator.choice(NUMBERS)


def _grow(generator: Random, die: Die, other: Die) -> None:
    """Put many or deep entries below one."""
    how = generator.random()
    children = list(die.children)
    if how < 0.4:
        children += [Die(c.tag, c.attributes, []) for c in children * generator.choice((1, 50))]
    elif how < 0.7:
        inner = Die(other.tag, other.attributes, [])
        for _ in range(generator.choice((3, 70, 300))):
            inner = Die(
                generator.choice((other.tag, dw.DW_TAG_namespace)), other.attributes, [inner]
            )
        children.append(inner)
    else:
        children.append(Die(other.tag, other.attributes, []))
    die.children = children


def bomb_of_types(generator: Random) -> Die:
    """Make types of which each holds the one before several times: 2 ** depth values in all."""
    entries = builds.Entries()
    last = entries.base("u8", generator.choice((0, 1)), dw.DW_ATE_unsigned)
    size = generator.choice((0, 1, 8, 0xFFFFFFFF))
    for level in range(generator.choice((20, 50, 62, 80, 400))):
        name = generator.choice(("T", f"a::T{level}"))
        how = generator.random()
        last_type = [(dw.DW_AT_type, dw.DW_FORM_ref4, last)]
        if how < 0.6:
            last = entries.struct(name, size, ("a", 0, last), ("b", 0, last))
        elif how < 0.75:
            last = entries.enum(name, size, last, ("A", last), ("B", last))
        elif how < 0.85:
            parameters = [Die(dw.DW_TAG_formal_parameter, last_type) for _ in range(2)]
            last = Die(dw.DW_TAG_subroutine_type, last_type, parameters)
            entries.top.append(last)
        else:
            last = entries.array(last, generator.choice((2, 1 << 20, 0xFFFFFFFF)))
    for name, member in (("ask_REPLY", "value"), ("get_ARGS", "raw_port"), ("say_ARGS", "a")):
        entries.struct(f"server::idl::Demo_{name}", size, (member, 0, last))
    entries.struct("demo_api::Block", size, ("a", 0, last), ("b", 0, last))
    entries.static("RINGBUF", last, builds.RAM)
    return builds._spread(entries)


@cache
def _whole_sections(describe: Callable[[], Die], version: int) -> Mapping[str, bytes]:
    return Writer(version).sections([describe()])


def damaged_object(generator: Random, describe: Callable[[], Die], interface: str = "") -> bytes:
    """Return an object whose entries or sections are damaged, in an ELF file that is not."""
    by_entries = generator.random() < 0.4
    if by_entries:
        unit = describe()
        damage_entries(generator, unit, few(generator))
        writer = LyingWriter(generator.choice((4, 4, 5, 5, 2, 3, 6)))
        try:
            sections = writer.sections([unit] * generator.choice((1, 1, 1, 2)))
        except (struct.error, RecursionError):
            sections = Writer(4).sections([Die(builds.COMPILE_UNIT)])
    else:
        sections = dict(_whole_sections(describe, generator.choice((4, 5))))
    if not by_entries or generator.random() < 0.2:
        name = generator.choice([n for n, data in sections.items() if data])
        data = sections[name]
        if name == ".debug_info" and generator.random() < 0.4:
            head = damage_bytes(generator, data[:12], 1)
            sections[name] = head + data[12:]
        else:
            sections[name] = damage_bytes(generator, data, few(generator))
    for name in (".debug_line", ".debug_ranges", ".debug_frame", ".symtab", ".debug_rnglists"):
        if generator.random() < 0.1:
            sections[name] = generator.randbytes(generator.choice((0, 3, 16, 200)))
    if interface:
        sections[".idolatry"] = interface.encode(errors="surrogatepass")
    return make_elf(sections, [(builds.FLASH, bytes(64))])


# -- kinds -------------------------------------------------------------------------------------


def archive(parts: dict[str, bytes]) -> bytes:
    """Return a whole archive of files, stored so that it is soon read."""
    return zips.write_zip([Member(n.encode(), d, zips.STORED) for n, d in parts.items()])


def damage_elf(generator: Random, parts: dict[str, bytes]) -> bytes:
    """Damage the bytes of one ELF file, its headers above all."""
    name = generator.choice([n for n in parts if n.startswith(("elf/", "img/"))])
    data = parts[name]
    if generator.random() < 0.6:
        tables = data[:116], data[116:-400], data[-400:]
        which = generator.choice((0, 2))
        tables = tuple(
            damage_bytes(generator, t, few(generator)) if i == which else t
            for i, t in enumerate(tables)
        )
        data = b"".join(tables)
    else:
        data = damage_bytes(generator, data, few(generator))
    if generator.random() < 0.2:
        return data  # alone, not in an archive
    return archive({**parts, name: data})


def damage_dwarf(generator: Random, parts: dict[str, bytes]) -> bytes:
    """Damage the debug information of the server or of the kernel."""
    how = generator.random()
    if how < 0.1:
        data = builds.encode_object(bomb_of_types(generator), interface=builds.INTERFACE)
        return archive({**parts, "elf/task/demo": data})
    if how < 0.4:
        return archive({**parts, "elf/kernel": damaged_object(generator, builds.kernel)})
    data = damaged_object(generator, builds.server, builds.INTERFACE)
    return archive({**parts, "elf/task/demo": data})


def damage_strings(generator: Random, parts: dict[str, bytes]) -> bytes:
    """Damage the interface, or the description of the application."""
    how = generator.random()
    if how < 0.5:
        text = idol_mutate.mutate(generator, [builds.INTERFACE])
        data = builds.encode_object(builds.server(), interface=text.replace("\0", ""))
        return archive({**parts, "elf/task/demo": data})
    text = builds.APP
    if how < 0.7:
        lines = text.splitlines()
        at = generator.randrange(len(lines))
        key = lines[at].partition(" =")[0]
        value = generator.choice(
            ("1", "-1", "1e99", '"x"', "[]", "[[[[1]]]]", "{}", "true", "2020-01-01", "[" * 2000,
             '["a", 1]', "{a = {b = 1}}", '"' + "y" * 5000 + '"', "99999999999999999999999", "nan",
             '"\\u0000/../x"', "0x" + "f" * 400, "[" + "{a=1}," * 500 + "]"),
        )  # fmt: skip
        lines[at] = f"{key} = {value}" if " = " in lines[at] else f"[{'a.' * 200}b]"
        text = "\n".join(lines)
    elif how < 0.8:
        text += "".join(f"[tasks.demo{n}]\nname = 'x'\n" for n in range(generator.choice((1, 900))))
    data = text.encode()
    if how > 0.75:
        data = damage_bytes(generator, data, few(generator))
    return archive({**parts, "app.toml": data})


def damage_zip(generator: Random, parts: dict[str, bytes]) -> bytes:
    """Damage the zip file itself: names, sizes, places, contents that expand to too much."""
    method = generator.choice((zips.STORED, zips.DEFLATED, zips.BZIP2))
    members = [Member(n.encode(), d, method) for n, d in parts.items()]
    how = generator.random()
    if how < 0.25:
        return damage_bytes(generator, zips.write_zip(members), few(generator))
    settings: dict[str, Any] = {}
    for _ in range(few(generator)):
        at = generator.randrange(len(members))
        members[at] = generator.choice(_LIES)(generator, members[at])
        if generator.random() < 0.2:
            members.insert(generator.randrange(len(members) + 1), members[at])
    if generator.random() < 0.2:
        settings[generator.choice(("count", "directory_size", "directory_at"))] = generator.choice(
            NUMBERS[:21]
        )
    if generator.random() < 0.1:
        version = generator.choice((b"0", b"12", b"99999999", b"-1", b"x", b"", b"11\0"))
        settings["comment"] = b"hubris build archive v" + version
    try:
        data = zips.write_zip(members, **settings)
    except struct.error:
        data = zips.write_zip(members)
    if generator.random() < 0.1:
        data = data[: generator.randrange(len(data))]
    return generator.randbytes(9) + data if generator.random() < 0.05 else data


_BAD_NAMES = (
    b"../../etc/passwd", b"/etc/passwd", b"C:\\x", b"..\\..\\x", b"a/../../b",
    b"elf/task/../kernel", b"x\0y", b"\xff\xfe", b"", b"/", b"." * 300, b"a/" * 3000,
    "é".encode(), b"app.toml", b"elf/kernel", b"elf//kernel", b"./app.toml",
    b"con", b"elf/task/demo/", b"\x1b[31m",
)  # fmt: skip


def _number(generator: Random, _: Member) -> int:
    return generator.choice((*NUMBERS, generator.getrandbits(32))) & 0xFFFFFFFF


_LIES: tuple[Callable[[Random, Member], Member], ...] = (
    lambda g, m: replace(m, name=g.choice(_BAD_NAMES)),
    lambda g, m: replace(m, local_name=g.choice(_BAD_NAMES)),
    lambda g, m: replace(m, crc=_number(g, m)),
    lambda g, m: replace(m, size=_number(g, m)),
    lambda g, m: replace(m, packed_size=_number(g, m)),
    lambda g, m: replace(m, header_at=_number(g, m)),
    lambda g, m: replace(m, method=g.choice((0, 1, 8, 9, 12, 14, 93, 99, 0xFFFF))),
    lambda g, m: replace(m, flags=g.choice((1, 8, 0x41, 0x800, 0x2000, 0xFFFF))),
    lambda g, m: replace(m, extra=g.randbytes(g.choice((4, 200)))),
    lambda g, m: replace(m, packed=damage_bytes(g, m.pack(), few(g))),
    lambda g, m: replace(m, packed=g.choice(_BOMBS)[0], method=g.choice((8, 12))),
    lambda g, m: replace(
        m, packed=_BOMBS[0][0], method=8, size=_BOMBS[0][1], crc=zlib.crc32(bytes(_BOMBS[0][1]))
    ),
)


def _make_bombs() -> tuple[tuple[bytes, int], ...]:
    size = 40 << 20
    sizes = ((zips.DEFLATED, size), (zips.BZIP2, size))
    return tuple((Member(b"", bytes(s), method).pack(), s) for method, s in sizes)


_BOMBS = _make_bombs()


def damage_dump(generator: Random, parts: dict[str, bytes]) -> bytes:
    """Make a core dump of strange memory, or damage one."""
    memory = builds.memory()
    how = generator.random()
    if how < 0.5:
        memory = damage_bytes(generator, memory, generator.choice((1, 3, 10, 60)))
    segments = [Segment(builds.RAM, memory)]
    if generator.random() < 0.2:
        at = generator.choice(NUMBERS)
        segments.append(Segment(at, generator.randbytes(generator.choice((0, 1, 64)))))
    registers = {f"r{n}": generator.getrandbits(32) for n in range(13)}
    data = encode_dump(archive(parts), segments, registers | {"pc": builds.FLASH, "sp": builds.RAM})
    if how > 0.4:
        head = 52 + 32 * (2 + len(segments))
        damaged = damage_bytes(generator, data[: head + 60], few(generator))
        data = damaged + data[head + 60 :]
    return data if generator.random() > 0.1 else damage_bytes(generator, data, 3)


def damage_index(generator: Random, index: bytes) -> bytes:
    """Damage an index file and mend its check sum, so that what it says is believed."""
    header = struct.Struct("<8s16s7I")
    magic, fingerprint, *counts, _ = header.unpack_from(index)
    _, strings, nodes, answers, words, _ = counts
    body = bytearray(index[header.size :])
    rows = nodes + answers
    places = {
        "strings": (0, strings),
        "rows": (strings, rows),
        "hashes": (strings + rows, answers),
        "words": (strings + rows + answers, words),
    }
    for _ in range(few(generator)):
        start, count = places[generator.choice(("strings", "rows", "words", "words", "words"))]
        if not count:
            continue
        how = generator.random()
        at = 4 * (start + generator.randrange(count))
        if how < 0.6:
            numbers = (*NUMBERS, nodes, nodes - 1, strings, words, generator.randrange(words + 1))
            struct.pack_into("<I", body, at, generator.choice(numbers) & 0xFFFFFFFF)
        elif how < 0.8:
            body[at : at + 4] = body[4 * start : 4 * start + 4]
        elif how < 0.9:
            values = [generator.choice((0, count, words)) for _ in range(count)]
            struct.pack_into(f"<{count}I", body, 4 * start, *values)
        else:
            source = 4 * (start + generator.randrange(count))
            body[at : at + 40] = body[source : source + len(body[at : at + 40])]
    if generator.random() < 0.1:
        at = generator.randrange(len(body))
        body[at] ^= 1 << generator.randrange(8)
    if generator.random() < 0.2:
        counts[generator.randrange(len(counts))] = generator.choice(NUMBERS)
    head = header.pack(magic, fingerprint, *counts, 0)[:-4]
    data = head + struct.pack("<I", zlib.crc32(bytes(body), zlib.crc32(head))) + bytes(body)
    return data if generator.random() > 0.1 else damage_bytes(generator, data, 2)


#: What is damaged, and how often of 100 cases; those of `index` need an index file.
KINDS: dict[str, tuple[int, Callable[[Random, dict[str, bytes]], bytes]]] = {
    "elf": (20, damage_elf),
    "dwarf": (38, damage_dwarf),
    "strings": (10, damage_strings),
    "zip": (12, damage_zip),
    "dump": (10, damage_dump),
}
INDEX_SHARE = 100 - sum(share for share, _ in KINDS.values())
