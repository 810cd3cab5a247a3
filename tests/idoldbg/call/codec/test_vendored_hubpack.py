"""The vendored package by itself: it imports nothing of the project."""

from __future__ import annotations

import ast
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg._vendor import hubpack as hp

ROOT = Path(__file__).resolve().parents[4]
CASES: list[dict[str, Any]] = json.loads((ROOT / "fixtures" / "vectors" / "serde.json").read_text())
PRIMITIVES: dict[str, hp.Schema] = {
    "()": hp.UNIT,
    "bool": hp.BOOL,
    **{str(p): p for p in (hp.U8, hp.U16, hp.U32, hp.U64, hp.U128)},
    **{str(p): p for p in (hp.I8, hp.I16, hp.I32, hp.I64, hp.I128, hp.F32, hp.F64)},
    "usize": hp.U64,
    "isize": hp.I64,
}


def schema_of(desc: Any) -> hp.Schema:
    if isinstance(desc, str):
        return PRIMITIVES[desc]
    if "array" in desc:
        return hp.Array(schema_of(desc["array"]), desc["count"])
    if "struct" in desc:
        return hp.Struct(desc["struct"], tuple((n, schema_of(t)) for n, t in desc["fields"]))
    if "clike" in desc:
        return hp.Enum(desc["clike"], tuple((n, None) for n, _ in desc["variants"]))
    if desc["enum"].startswith("core::option"):
        return hp.Option(schema_of(desc["variants"][1][1][0][1]))
    variants = []
    for name, fields in desc["variants"]:
        inner = hp.Struct(name, tuple((f, schema_of(t)) for f, t in fields)) if fields else None
        variants.append((name, inner))
    return hp.Enum(desc["enum"], tuple(variants))


def value_of(schema: hp.Schema, value: Any) -> Any:
    match schema:
        case hp.Primitive(kind="f", size=size):
            reader = hp.Reader(bytes.fromhex(value.rjust(size * 2, "0"))[::-1])
            return reader.take_float(size)
        case hp.Primitive() | hp.Tuple():
            return value
        case hp.Struct(fields=fields):
            return {n: value_of(f, v) for (n, f), v in zip(fields, value, strict=True)}
        case hp.Array(element=element):
            items = [value_of(element, v) for v in value]
            return bytes(items) if element == hp.U8 else items
        case hp.Option(content=content):
            return None if value[0] == "None" else hp.Some(value_of(content, value[1][0]))
        case hp.Enum(variants=variants):
            inner = dict(variants)[value[0]]
            return hp.Variant(value[0], None if inner is None else value_of(inner, value[1]))


def is_plain(case: dict[str, Any]) -> bool:
    """Return whether a type travels as it is declared, and has no char.

    serde has its own forms for most of the standard library's; the codec knows them, the package
    does not.
    """
    text = str(case["type"])
    own_form = re.search(r"\bcore::(?!option::Option|result::Result)", text)
    return text != "char" and own_form is None


@pytest.mark.parametrize(
    "case", [c for c in CASES if is_plain(c)], ids=lambda c: str(c["type"])[:40]
)
def test_the_crates_vectors(case: dict[str, Any]) -> None:
    schema = schema_of(case["type"])
    if case["hubpack_max_size"] is not None:
        assert hp.max_size(schema) == case["hubpack_max_size"]
    for item in case["encoded"]:
        data = bytes.fromhex(item["hubpack"])
        assert hp.encode(schema, value_of(schema, item["value"])) == data
        value, used = hp.decode(schema, data + b"\xff")
        assert used == len(data)
        assert hp.encode(schema, value) == data
        for size in range(len(data)):
            with pytest.raises(hp.DecodeError):
                hp.decode(schema, data[:size])
    for item in case["decoded"]:
        data = bytes.fromhex(item["data"])
        if item["format"] != "hubpack":
            continue
        if item["used"] is None:
            with pytest.raises(hp.DecodeError):
                hp.decode(schema, data)
        else:
            assert hp.decode(schema, data)[1] == item["used"]


def test_the_example_of_the_readme() -> None:
    reading = hp.Struct("Reading", (("celsius", hp.F32), ("sensor", hp.U8)))
    data = hp.encode(reading, {"celsius": 21.5, "sensor": 3})
    assert data == b"\x00\x00\xacA\x03"
    assert hp.decode(reading, data + b"more") == ({"celsius": 21.5, "sensor": 3}, 5)
    assert hp.max_size(reading) == 5


NESTED = hp.Option(hp.Option(hp.BOOL))
WRONG: list[tuple[hp.Schema, Any]] = [
    (hp.U8, 256),
    (hp.I8, -129),
    (hp.U8, True),
    (hp.F32, 1e300),
    (hp.F32, "1"),
    (hp.BOOL, 1),
    (hp.UNIT, 0),
    (NESTED, True),
    (hp.Array(hp.U8, 2), b"\1"),
    (hp.Array(hp.U16, 2), [1]),
    (hp.Tuple((hp.U8, hp.U8)), (1,)),
    (hp.Tuple((hp.U8, hp.U8)), "ab"),
    (hp.Struct("S", (("a", hp.U8),)), {"b": 1}),
    (hp.Result(hp.U8, hp.UNIT), hp.Variant("Maybe")),
    (hp.Enum("E", (("A", None),)), hp.Variant("A", 3)),
    (hp.Enum("E", tuple((str(i), None) for i in range(300))), hp.Variant("299")),
]


@pytest.mark.parametrize(("schema", "value"), WRONG, ids=str)
def test_values_that_do_not_fit_are_refused(schema: hp.Schema, value: Any) -> None:
    with pytest.raises(hp.EncodeError):
        hp.encode(schema, value)


def test_nested_options_stay_apart() -> None:
    for value in (None, hp.Some(None), hp.Some(hp.Some(True))):
        assert hp.decode(NESTED, hp.encode(NESTED, value))[0] == value


@given(st.binary(max_size=16))
def test_any_bytes_give_a_value_or_an_error_with_its_offset(data: bytes) -> None:
    schema = hp.Tuple((hp.BOOL, NESTED, hp.Result(hp.U16, hp.UNIT), hp.F32))
    try:
        value, used = hp.decode(schema, data)
    except hp.DecodeError as error:
        assert 0 <= error.offset <= len(data)
        return
    if not math.isnan(value[3]):
        assert hp.encode(schema, value) == data[:used]


def test_hostile_schemas_are_bounded() -> None:
    deep: hp.Schema = hp.U8
    for _ in range(1000):
        deep = hp.Option(deep)
    with pytest.raises(hp.DecodeError, match="deep"):
        hp.decode(deep, b"\1" * 1001)
    with pytest.raises(hp.DecodeError, match="large"):
        hp.decode(hp.Array(hp.UNIT, 1 << 40), b"")
    with pytest.raises(hp.EncodeError):
        hp.encode(hp.Array(hp.UNIT, 1 << 40), [])


def test_the_package_stands_alone() -> None:
    for path in (ROOT / "idoldbg" / "_vendor" / "hubpack").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module in {"__future__", "collections.abc", "dataclasses", "typing"}


def test_all_names_are_there() -> None:
    for name in hp.__all__:
        assert getattr(hp, name) is not None
    with pytest.raises(AttributeError, match="Shema"):
        hp.Shema  # noqa: B018  # the attribute access is what is tested


def test_a_call_does_not_load_schemas() -> None:
    """They bring `dataclasses` and `inspect`, and the codec walks its own types."""
    code = (
        "import sys, idoldbg.call.codec.hubpack\n"
        "unwanted = {'idoldbg._vendor.hubpack.schema', 'dataclasses', 'inspect'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert out.stdout.decode().strip() == "[]"
