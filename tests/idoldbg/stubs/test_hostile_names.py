"""Stubs of builds whose names are not identifiers: the output is plain Python."""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from idol.kinds import Encoding as Wire
from idoldbg.build.program import Program
from idoldbg.device import TargetEnum
from idoldbg.device.classes import Classes
from idoldbg.device.failures import Failures
from idoldbg.device.names import python_names
from idoldbg.errors import OperationError
from idoldbg.model.types import (
    Array,
    CEnum,
    Enum,
    Enumerator,
    Member,
    Scalar,
    ScalarKind,
    Struct,
    Type,
    Variant,
)
from idoldbg.model.values import EnumValue, Int, StructValue
from idoldbg.resolver import (
    How,
    Resolution,
    ResolvedArgument,
    ResolvedLease,
    ResolvedOperation,
)
from idoldbg.stubs import generate
from idoldbg.stubs.literals import docstring, quoted

U8 = Scalar("u8", 1, ScalarKind.UNSIGNED)
CODE = "__import__('builtins').setattr(__import__('builtins'), 'executed', True)"
NAMES = [
    "", " ", "\n", "\r", "\0", "\x1b[31m", "\\", '"', "'", '"""', "'''", '\\"""', "#", "\u2028",
    "\u202e", "\ud800", "\udcff", "\x85", "\f", "\\N", "\\x", "\\u12", "{", "}", "${x}", "`",
    f'"\n{CODE}\n"', f'"""\n{CODE}\n"""', f"x = {CODE}", f"\\\n{CODE}", f"a\n    {CODE}", CODE,
    f"\u2028{CODE}", f"\r{CODE}", f"{{{CODE}}}", "\\" * 301, '"' * 301,
    "class", "None", "True", "self", "mro", "match", "_", "__", "___", "__init__", "__class__",
    "__slots__", "__eq__", "__debug__", "_missing_", "_value_", "__private", "_one", "0", "9to5",
    "\u00b2", "\ufb01", "fi", "\u212a", "K", "ñ", "名", "r#type", "type", "int", "bytes", "list",
    "dict", "Any", "Union", "Some", "Ok", "Err", "ClassVar", "TypeAlias", "NoReturn", "dataclass",
    "TargetObject", "TargetEnum", "VariantError", "CLASSES", "annotations", "builtins", "types",
    "errors", "Device", "STUBS", "attach", "tasks", "close", "aio", "batch", "error", "variants",
    "args", "with_traceback", "message", "code", "name", "value", "keys", "items", "get", "__0",
    "A", "A_B", "B_C", "C", "Aio", "Batch", "Leases", "a-b", "a_b", "a.b", "a::b::c<d, e>",
]  # fmt: skip
LONG = ["a" * 100_000, "\0" * 20_000, "a b" * 30_000]
names = st.sampled_from(NAMES) | st.text(max_size=6)
several = st.lists(names, max_size=4)


def struct(name: str, members: list[str], inner: Type = U8) -> Struct:
    return Struct(name, len(members), tuple(Member(m, i, inner) for i, m in enumerate(members)))


def data_enum(name: str, variants: list[str], members: list[str], inner: Type = U8) -> Enum:
    made = tuple(Variant(v, i, 1, struct(v, members, inner)) for i, v in enumerate(variants))
    return Enum(name, 2, Member("tag", 0, U8), made)


def c_enum(name: str, enumerators: list[str]) -> CEnum:
    return CEnum(name, 1, False, tuple(Enumerator(e, i) for i, e in enumerate(enumerators)))


@st.composite
def types(draw: st.DrawFn) -> Type:
    inner: Type = U8
    for make in draw(st.lists(st.sampled_from(["struct", "enum", "c", "array"]), max_size=3)):
        if make == "struct":
            inner = struct(draw(names), draw(several), inner)
        elif make == "enum":
            inner = data_enum(draw(names), draw(several), draw(several), inner)
        elif make == "c":
            inner = c_enum(draw(names), draw(several))
        else:
            inner = Array("array", inner, 2)
    return inner


@dataclass
class Served:
    """One operation, and where it is served."""

    task: str
    interface: str
    resolved: ResolvedOperation


def resolution(type_: Type | None) -> Resolution:
    return Resolution("T", type_, How.NAME)


@st.composite
def operations(draw: st.DrawFn) -> Served:
    task, interface, name = draw(names), draw(names), draw(names)
    read, write = draw(st.booleans()), draw(st.booleans())
    leases = [
        ResolvedLease("T", draw(types()), How.NAME, name=n, read=read, write=write, is_slice=True)
        for n in draw(several)
    ]
    resolved = ResolvedOperation(
        interface=interface,
        operation=name,
        task=task,
        code=1,
        encoding=Wire.HUBPACK,
        idempotent=False,
        doc=draw(st.none() | names | st.lists(names).map(" ".join)),
        arguments=tuple(
            ResolvedArgument("T", draw(types()), How.NAME, name=n) for n in draw(several)
        ),
        leases=tuple(leases),
        ok=resolution(draw(st.none() | types())),
        error=draw(st.none() | st.builds(resolution, types())),
        error_kind=None,
    )
    return Served(task, interface, resolved)


def program(app: str, served: list[Served]) -> Any:
    """Return what `generate` asks of a program: one interface for each task of that name."""
    servers: dict[tuple[str, str], list[ResolvedOperation]] = {}
    for each in served:
        servers.setdefault((each.task, each.interface), []).append(each.resolved)
    by_key = {(t, i, o.operation): o for (t, i), found in servers.items() for o in found}
    return SimpleNamespace(
        archive=SimpleNamespace(name=app, image_id=b"\1\2"),
        servers=tuple(
            SimpleNamespace(
                task=SimpleNamespace(name=task),
                interface=SimpleNamespace(
                    name=interface,
                    operations=[SimpleNamespace(name=o.operation) for o in found],
                ),
            )
            for (task, interface), found in servers.items()
        ),
        resolve=lambda server, name: by_key[server.task.name, server.interface.name, name],
    )


#: What a package of stubs is made of. There is no other statement, and these are the only calls.
STATEMENTS = (
    ast.Module, ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef,
    ast.AnnAssign, ast.Assign, ast.Return, ast.If, ast.Expr,
)  # fmt: skip
EXPRESSIONS = (
    ast.Name, ast.Attribute, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.Dict, ast.Call,
    ast.BinOp, ast.BitOr, ast.BoolOp, ast.Or, ast.Starred, ast.Load, ast.Store, ast.alias, ast.arg,
    ast.arguments, ast.keyword,
)  # fmt: skip
CALLS = {"dataclass", "Stubs", "STUBS.attach"}
IMPORTS = {
    "__future__", "builtins", "collections.abc", "dataclasses", "idoldbg.device", "os", "typing",
    "idoldbg.device.typed", "idoldbg.errors", None, "device",
}  # fmt: skip


def check_tree(name: str, text: str) -> None:
    tree = ast.parse(text, name)
    known = {*dir(builtins), "__package__", "__name__"}
    for node in ast.walk(tree):
        assert isinstance(node, (*STATEMENTS, *EXPRESSIONS)), ast.dump(node)[:200]
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            known.add(node.name)
        if isinstance(node, ast.alias):
            known.add((node.asname or node.name).partition(".")[0])
        if isinstance(node, ast.arg):
            known.add(node.arg)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) in CALLS
        elif isinstance(node, ast.Name):
            assert node.id in known, node.id
        elif isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), ast.dump(node)[:200]
        elif isinstance(node, ast.If):
            assert ast.unparse(node.test) == "TYPE_CHECKING"
        elif isinstance(node, ast.ImportFrom):
            assert node.module in IMPORTS
        elif isinstance(node, ast.Import):
            assert {a.name for a in node.names} <= IMPORTS
    for line in text.splitlines():
        if line.startswith("#"):
            assert line.isprintable()


def import_package(files: dict[str, str], use: Callable[[ModuleType], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "hostile_stubs"
        package.mkdir()
        for name, text in files.items():
            (package / name).write_text(text, encoding="utf-8")
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
        try:
            use(importlib.import_module("hostile_stubs"))
        finally:
            sys.path.remove(folder)
            for name in [n for n in sys.modules if n.partition(".")[0] == "hostile_stubs"]:
                del sys.modules[name]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes
)
@given(names, st.lists(operations(), min_size=1, max_size=4))
@example("app", [])
def test_no_name_is_executed(app: str, served: list[Served]) -> None:
    if not served:
        served = [every_position(name, number) for number, name in enumerate(NAMES + LONG)]
    build: Program = program(app, served)
    files = generate(build)
    for name, text in files.items():
        if name != "py.typed":
            check_tree(name, text)

    def use(package: ModuleType) -> None:
        assert not hasattr(builtins, "executed")
        module: Any = package
        keys = {f"{s.interface.name}@{s.task.name}" for s in build.servers}
        assert set(module.STUBS.interfaces) == keys
        classes, failures = Classes(module.types.CLASSES), Failures(Classes())
        for each in served:
            assert issubclass(failures.find(each.resolved), OperationError)
            sides = [*each.resolved.arguments, *each.resolved.leases, each.resolved.ok]
            for side in sides:
                if side.type is not None:
                    classes.annotation(side.type)

    import_package(files, use)


def every_position(name: str, number: int) -> Served:
    """Return an operation that has a name in every position."""
    inner = c_enum(f"{name}{number}", [name, f"{name}x"])
    some = data_enum(f"{name}::{number}", [name, f"{name}x"], [name, f"{name}x"], inner)
    resolved = ResolvedOperation(
        interface=name,
        operation=name,
        task=f"{name}{number}",
        code=1,
        encoding=Wire.HUBPACK,
        idempotent=True,
        doc=name,
        arguments=(ResolvedArgument("T", some, How.NAME, name=name),),
        leases=(ResolvedLease("T", struct(name, [name, name]), How.NAME, name=name, write=True),),
        ok=resolution(struct(f"crate::{name}", [name, "value"], some)),
        error=resolution(some),
        error_kind=None,
    )
    return Served(f"{name}{number}", name, resolved)


def served_type(type_: Type) -> list[Served]:
    made = every_position("x", 0)
    object.__setattr__(made.resolved, "ok", resolution(type_))
    return [made]


def test_enums_without_variants_are_classes_that_no_value_is_of() -> None:
    for empty in (c_enum("crate::Void", []), data_enum("crate::Void", [], [])):
        files = generate(program("app", served_type(empty)))
        assert "class Void" in files["types.py"]
        import_package(files, lambda package: None)


def test_annotations_do_not_nest_without_end() -> None:
    deep: Type = U8
    for _ in range(400):
        deep = Array("array", deep, 1)
    generate(program("app", served_type(deep)))


def test_stubs_that_do_not_compile_are_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idoldbg.stubs.write_types", lambda plan: "class :\n")
    with pytest.raises(RuntimeError, match=r"`types\.py, line 1` of these stubs would not be"):
        generate(program("app", served_type(U8)))


@pytest.mark.parametrize("name", NAMES)
def test_literals_have_the_value_and_docstrings_one_line(name: str) -> None:
    assert ast.literal_eval(quoted(name)) == name
    assert len(quoted(name).splitlines()) == 1
    assert len(docstring(name).splitlines()) == 1
    assert isinstance(ast.literal_eval(docstring(name)), str)


def test_python_names_are_identifiers_and_none_is_twice() -> None:
    found = python_names(NAMES * 2)
    assert len(set(found)) == len(found)
    assert all(name.isidentifier() and not name.startswith("__") for name in found)
    plain = ["interval_ms", "Off", "_one", "ñ", "名", "Any", "value"]
    assert list(python_names(plain)) == plain
    assert python_names(["__0", "__1"]) == ("_0", "_1")
    assert python_names(["from", "from_", "r#type", "self"]) == (
        "from_",
        "from__2",
        "type",
        "self_",
    )


@pytest.mark.parametrize("name", [n for n in NAMES if len(n) < 100])
def test_values_with_odd_names_come_out_and_go_in(name: str) -> None:
    """Whatever the names, objects are made of a build's values, and values of objects."""
    from idoldbg.call.arguments import from_python
    from idoldbg.device.classes import lower

    inner = struct("crate::S", [name, f"{name}x"])
    value = StructValue(inner, tuple((m.name, Int(U8, 7)) for m in inner.members))
    classes = Classes()
    made = classes.to_python(value)
    assert from_python(lower(made), inner) == value

    some = data_enum("crate::E", [name, f"{name}x"], ["a", name])
    payload = StructValue(some.variants[0].type, (("a", Int(U8, 1)), (name, Int(U8, 2))))
    made = classes.to_python(EnumValue(some, name, 0, payload))
    assert classes.find(some) is not None and made.__variant__ == name

    plain = c_enum("crate::C", [name, f"{name}x"])
    found = classes.to_python(EnumValue(plain, name, 0, None))
    assert isinstance(found, TargetEnum) and found == 0
