"""Types and statics that rustc made: all those of the fixture firmware, and of real builds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from idoldbg.build.debuginfo import ObjectInfo
from idoldbg.build.load import open_build
from idoldbg.build.program import Program
from idoldbg.call.arguments import parse_value
from idoldbg.call.codec import hubpack, image, postcard, ssmarshal
from idoldbg.errors import DecodeError, EncodeError
from idoldbg.model.types import Type
from idoldbg.model.values import Value, format_value
from tests.conftest import ARCHIVES
from tests.idoldbg.typegen import same

BUILDS = [
    pytest.param(p, id=p.stem) for p in sorted(ARCHIVES.glob("*.zip")) if "-no-" not in p.stem
]
LARGEST = 512  # bytes; hiffy's buffers teach nothing that smaller arrays do not
# Closures and trait objects have no name that could be written.
UNWRITABLE = re.compile(r"\{[a-z_]+#\d|\bdyn ")


def objects(path: Path) -> Iterator[ObjectInfo]:
    build = open_build(path)
    program = Program(build.archive, build.memory)
    yield program.kernel
    for task in program.archive.tasks:
        yield program.object(task.name)


def check_statics(info: ObjectInfo) -> int:
    """Read every static from the image; what makes sense must come back from its value."""
    count = 0
    for variable in info.iter_variables():
        size = variable.type.size
        if variable.address is None or not 0 < size <= LARGEST:
            continue
        data = info.read_memory(variable.address, size)
        if data is None:
            continue
        value = image.decode(variable.type, data, address=variable.address)
        if image.find_unreadable(value) is None:
            assert same(image.decode(variable.type, image.encode(value)), value), variable.name
            count += 1
    return count


def check_types(info: ObjectInfo, seen: set[Type]) -> tuple[int, int]:
    """Read random bytes as every type not in `seen`, in memory and on the wire."""
    random = Random(1)
    in_memory = on_wire = 0
    for _, type_ in info.iter_types():
        if type_ in seen or type_.size > LARGEST:
            continue
        seen.add(type_)
        for data in (bytes(type_.size), random.randbytes(type_.size)):
            value = image.decode(type_, data)
            if image.find_unreadable(value) is None and encodes_in_memory(value):
                in_memory += 1
        on_wire += check_wire(type_, random)
    return in_memory, on_wire


def encodes_in_memory(value: Value) -> bool:
    try:
        data = image.encode(value)
    except EncodeError as error:
        # Random bytes may lie in the niche of an enum inside the data of another.
        assert "another variant" in str(error)
        return False
    assert same(image.decode(value.type, data), value), value.type.name
    return True


def check_wire(type_: Type, random: Random) -> int:
    count = 0
    for codec in (hubpack, ssmarshal, postcard):
        try:
            limit = codec.max_size(type_)
        except EncodeError as error:
            assert error.type
            continue
        for data in (bytes(limit), bytes(random.choice((0, 1, 2, 255)) for _ in range(limit))):
            try:
                value, used = codec.decode_prefix(type_, data)
            except DecodeError:
                continue
            assert used <= limit
            assert codec.encode(value) == data[:used] or codec is postcard
            text = format_value(value)
            if "NaN" not in text and not UNWRITABLE.search(type_.name + text):
                assert same(parse_value(text, type_), value), type_.name
            count += 1
    return count


@pytest.mark.parametrize("path", BUILDS)
def test_fixture_firmware(path: Path) -> None:
    statics = in_memory = on_wire = 0
    seen: set[Type] = set()
    for info in objects(path):
        statics += check_statics(info)
        memory, wire = check_types(info, seen)
        in_memory += memory
        on_wire += wire
    assert statics > 5
    assert in_memory > 500
    assert on_wire > 500


def test_real_builds(real_hubris: Path) -> None:
    paths = sorted(p for d in ("archives", "cores") for p in (real_hubris / d).iterdir())
    for path in paths:
        seen: set[Type] = set()
        for info in objects(path):
            check_statics(info)
            check_types(info, seen)
