"""The source text of a package of stubs.

Laid out as `ruff format` and Black would, for lines of 88 characters or more: everything that could
grow long stands one item a line with a comma behind it, which also makes a change of an interface a
small diff. What is longer without any comma keeps its line by `fmt: skip`. Linters are kept away by
`noqa`: which rules they have is up to whoever keeps the package.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from idoldbg.device.describe import parameters
from idoldbg.device.failures import IN_AN_ERROR
from idoldbg.device.names import python_names, variant_attributes
from idoldbg.device.results import IN_LEASES
from idoldbg.model.types import CEnum, Enum, Member, Struct, Type
from idoldbg.resolver import ResolvedLease, ResolvedOperation
from idoldbg.stubs.annotation import Annotations
from idoldbg.stubs.literals import docstring, paragraphs, quoted, shown
from idoldbg.stubs.plan import FACES, Plan, PlannedOperation, PlannedServer

__all__ = [
    "MADE_BY",
    "write_device",
    "write_device_types",
    "write_errors",
    "write_init",
    "write_types",
    "has_never",
]

MADE_BY = "Made by `idoldbg stubs`"
INDENT = "    "
WIDTH = 80
FORMATTED_WIDTH = 88
#: A statement on one line.
_STATEMENT = re.compile(r"[\w.]+(: | = )\S|(async )?def .*\.\.\.$")
_BUILTINS = {"int", "float", "bool", "str", "bytes", "list", "tuple"}


def _header(plan: Plan, what: str) -> str:
    return "\n".join(
        [
            "# ruff: noqa",
            f"# {MADE_BY}. Do not edit: make it anew when the interfaces change.",
            f"# image: {shown(plan.image_id) or '(no id)'}",
            f"# interfaces: {shown(plan.hash)}",
            docstring(what),
            "",
        ]
    )


def _finish(lines: Iterable[str]) -> str:
    """Join lines; keep formatters from breaking the statements that are too long for them."""
    finished = []
    in_docstring = False
    for line in lines:
        in_docstring ^= line.count('"""') % 2 == 1
        is_long = len(line) > FORMATTED_WIDTH and not in_docstring
        is_kept = is_long and not line.endswith(",") and _STATEMENT.match(line.lstrip())
        finished.append(f"{line}  # fmt: skip" if is_kept else line)
    return "\n".join(finished)


def write_init(plan: Plan, app: str) -> str:
    """Write `__init__.py`."""
    return _header(plan, f"The interfaces of {app}, with types; `attach` opens a target.") + (
        "\n"
        "from . import errors, types\n"
        "from .device import STUBS, Device, attach\n"
        "\n"
        '__all__ = ["STUBS", "Device", "attach", "errors", "types"]\n'
    )


def write_device(plan: Plan) -> str:
    """Write `device.py`: what runs. Names and types for checkers are in `device.pyi`."""
    hashes = [
        f"{INDENT}{INDENT}{quoted(key)}: {quoted(digest)}," for key, digest in plan.hashes.items()
    ]
    lines = [
        _header(plan, "The device, and how to open it."),
        "from __future__ import annotations",
        "",
        "from typing import Any",
        "",
        "import idoldbg.device",
        "from idoldbg.device.typed import Stubs",
        "",
        "from . import errors, types",
        "",
        '__all__ = ["STUBS", "Device", "attach"]',
        "",
        "STUBS = Stubs(",
        f"{INDENT}package=__package__ or __name__,",
        f"{INDENT}image_id={quoted(plan.image_id)},",
        f"{INDENT}interfaces={{",
        *hashes,
        f"{INDENT}}},",
        f"{INDENT}classes=types.CLASSES,",
        f"{INDENT}errors=errors.CLASSES,",
        ")",
        "",
        "",
        "class Device(idoldbg.device.Device):",
        f'{INDENT}"""A target with these interfaces."""',
        "",
        "",
        "def attach(*arguments: Any, **options: Any) -> Device:",
        f'{INDENT}"""Open a target; raise `StaleStubs` for a build of other interfaces."""',
        f"{INDENT}return STUBS.attach(Device, *arguments, **options)",
        "",
    ]
    return "\n".join(lines)


# -- types


def write_types(plan: Plan) -> str:
    """Write `types.py`: dataclasses and enums."""
    head = [
        _header(plan, "The types of the target, as classes."),
        "from __future__ import annotations",
        "",
        "import builtins",
        "from dataclasses import dataclass",
        f"from typing import Any, ClassVar{', NoReturn' * has_never(plan)}, TypeAlias, Union",
        "",
        "from idoldbg.device import Err, Ok, Some, TargetEnum, TargetObject",
        "",
    ]
    blocks = [_class(plan, type_) for type_ in plan.types]
    table = ["CLASSES: dict[str, Any] = {"]
    table += [f"{INDENT}{quoted(t.name)}: {plan.names[t.name]}," for t in plan.types]
    table += ["}", '"""Classes by the full names of the types."""', ""]
    text = "\n".join([*head, *(f"\n{block}\n" for block in blocks), "\n" + "\n".join(table)])
    return _finish(text.split("\n"))


def has_never(plan: Plan) -> bool:
    """Return whether there is an enum without variants, which no value is of."""
    return any(isinstance(t, Enum) and not t.variants for t in plan.types)


def _class(plan: Plan, type_: Type) -> str:
    name = plan.names[type_.name]
    if isinstance(type_, CEnum):
        lines = [f"class {name}(TargetEnum):", f"{INDENT}{docstring(f'`{type_.name}`')}"]
        names = python_names(e.name for e in type_.enumerators)
        rows = zip(names, type_.enumerators, strict=True)
        lines += [""] * bool(names)
        lines += [f"{INDENT}{attribute} = {e.value}" for attribute, e in rows]
        return "\n".join(lines)
    if isinstance(type_, Struct):
        return _dataclass(plan, name, type_.name, type_.members, None)
    if isinstance(type_, Enum):
        attributes = variant_attributes(type_)
        variants = [
            textwrap.indent(
                _dataclass(
                    plan,
                    attributes[v.name],
                    f"{type_.name}::{v.name}",
                    v.type.members,
                    v.name,
                ),
                INDENT,
            )
            for v in type_.variants
        ]
        classes = [f"{name}.{attribute}" for attribute in attributes.values()]
        alias = f"{plan.unions[type_.name]}: TypeAlias ="
        union = [f"{alias} Union[", *(f"{INDENT}{c}," for c in classes), "]"]
        if len(classes) < 2:
            union = [f"{alias} {classes[0] if classes else 'NoReturn'}"]
        summary = f"`{type_.name}`, {'one class a variant' if classes else 'which no value is of'}."
        head = [f"class {name}:", f"{INDENT}{docstring(summary)}"]
        if classes:
            head += ["", "\n\n".join(variants)]
        return "\n".join([*head, "", "", *union])
    raise TypeError(type_)


def _dataclass(
    plan: Plan, name: str, path: str, members: Sequence[Member], variant: str | None
) -> str:
    # A field may be called `bytes`, and would then hide the type in the lines after it.
    names = python_names(m.name for m in members)
    is_hidden = bool({*names} & _BUILTINS)
    annotations = Annotations(plan, builtins="builtins." if is_hidden else "")
    lines = ["@dataclass(frozen=True, repr=False)", f"class {name}(TargetObject):"]
    lines.append(f"{INDENT}{docstring(f'`{path}`')}")
    if variant is not None:
        lines += ["", f"{INDENT}__variant__: ClassVar[builtins.str | None] = {quoted(variant)}"]
    if members:
        lines.append("")
    rows = zip(names, members, strict=True)
    lines += [f"{INDENT}{attribute}: {annotations.out(m.type)}" for attribute, m in rows]
    return "\n".join(lines)


# -- errors


def write_errors(plan: Plan) -> str:
    """Write `errors.py`: an exception class for each error type, and one for each variant."""
    lines = [
        _header(plan, "The errors of operations, as exceptions."),
        "from __future__ import annotations",
        "",
        "from typing import TYPE_CHECKING, Any, ClassVar",
        "",
        "from idoldbg.device import Err, Ok, Some, VariantError",
        "",
        "from . import types",
        "",
    ]
    for type_ in plan.errors:
        lines += ["", *_error(plan, type_), ""]
    lines += ["", "CLASSES: dict[str, type[VariantError]] = {"]
    lines += [f"{INDENT}{quoted(t.name)}: {plan.names[t.name]}," for t in plan.errors]
    lines += ["}", '"""Classes by the full names of the error types."""', ""]
    return _finish(lines)


def _error(plan: Plan, type_: Type) -> list[str]:
    name = plan.names[type_.name]
    annotations = Annotations(plan, "types.")
    variants = plan.variants[type_.name]
    attributes = variant_attributes(type_, IN_AN_ERROR)
    lines = [
        f"class {name}(VariantError):",
        f"{INDENT}{docstring(f'`{type_.name}`')}",
        "",
        *_error_property(f"{annotations.out(type_)} | None"),
    ]
    lines += [""] * bool(variants)
    lines += [f"{INDENT}{attributes[v]}: ClassVar[type[{c}]]" for v, c in variants.items()]
    for variant, made in variants.items():
        lines += ["", "", f"class {made}({name}):"]
        lines.append(f"{INDENT}{docstring(f'`{type_.name}::{variant}`')}")
        if isinstance(type_, Enum) and plan.has_class(type_):
            data = variant_attributes(type_)[variant]
            lines += ["", *_error_property(f"types.{name}.{data}")]
    lines += ["", ""]
    for variant, made in variants.items():
        lines.append(f"{made}.__qualname__ = {quoted(f'{name}.{attributes[variant]}')}")
        lines.append(f"{name}.{attributes[variant]} = {made}")
    lines.append(f"{name}.variants = {{")
    lines += [f"{INDENT}{quoted(variant)}: {made}," for variant, made in variants.items()]
    return [*lines, "}"]


def _error_property(annotation: str) -> list[str]:
    return [
        f"{INDENT}if TYPE_CHECKING:",
        "",
        f"{INDENT}{INDENT}@property",
        f"{INDENT}{INDENT}def error(self) -> {annotation}: ...",
    ]


# -- the faces of operations, for checkers


def write_device_types(plan: Plan) -> str:
    """Write `device.pyi`."""
    lines = [
        _header(plan, "The device with names and types, for checkers and editors."),
        "import os",
        "from collections.abc import Callable, Mapping, Sequence",
        "from typing import Any, Final, Literal, overload",
        "",
        "from idoldbg.device import (",
        *[
            f"{INDENT}{name},"
            for name in (
                "BaseBatch", "BaseDevice", "BaseLeases", "BaseTask", "Data", "Err", "LeaseData",
                "Ok", "Pending", "Reply", "Some",
            )
        ],
        ")",
        "from idoldbg.device.typed import Stubs",
        "from idoldbg.errors import OperationError",
        "",
        "from . import errors, types",
        "",
        "STUBS: Final[Stubs]",
        "",
    ]  # fmt: skip
    for planned in plan.servers:
        for operation in planned.operations:
            lines += _operation(plan, operation)
        lines += _errors_of(plan, planned)
        for face in FACES:
            lines += _interface(planned, face)
    lines += _spaces(plan)
    lines += [
        "def attach(",
        f"{INDENT}archive: str | os.PathLike[str] | None = ...,",
        f"{INDENT}*,",
        f"{INDENT}board: str | os.PathLike[str] | None = ...,",
        f"{INDENT}probe: str | None = ...,",
        f"{INDENT}timeout_s: float = ...,",
        f"{INDENT}type_overrides: Mapping[str, str] | None = ...,",
        f"{INDENT}uart: str | os.PathLike[str] | None = ...,",
        f"{INDENT}recover: bool = ...,",
        f"{INDENT}notify: Callable[[str], None] | None = ...,",
        ") -> Device: ...",
        "",
    ]
    return _finish(lines)


def _operation(plan: Plan, planned: PlannedOperation) -> list[str]:
    """Write the leases of an operation and its three callables."""
    name, operation = planned.stem, planned.resolved
    annotations = Annotations(plan, "types.")
    written = [lease.name for lease in operation.leases if lease.write]
    leases = "BaseLeases"
    lines: list[str] = []
    if written:
        leases = f"{name}_Leases"
        lines += [f"class {leases}(BaseLeases):"]
        lines += [f"{INDENT}{a}: LeaseData" for a in python_names(written, IN_LEASES)]
        lines.append("")
    ok = annotations.out(operation.ok.type)
    reply = f"Reply[{ok}, {leases}]"
    error, exception = "Any", "OperationError"
    type_ = None if operation.error is None else operation.error.type
    if type_ is not None:
        error = annotations.out(type_)
        exception = f"errors.{plan.names[type_.name]}"
    parameters = [*_parameters(annotations, operation)]
    docs = _doc(operation)
    for face in FACES:
        lines += [f"class {name}{face}:", *docs, ""]
        lines.append(f"{INDENT}Error: Final[type[{exception}]]")
        if face == "Batch":
            returns = f"Pending[{ok}, {leases}, {error}]"
            lines += _method("def", "__call__", parameters, returns)
        else:
            define = "async def" if face else "def"
            lines += _method(define, "__call__", parameters, reply)
            lines += _method(define, "try_", parameters, f"Ok[{reply}] | Err[{error}]")
        lines.append("")
    return lines


def _method(define: str, name: str, parameters: Iterable[str], returns: str) -> list[str]:
    lines = [f"{INDENT}{define} {name}(", f"{INDENT}{INDENT}self,"]
    lines += [f"{INDENT}{INDENT}{parameter}," for parameter in parameters]
    lines.append(f"{INDENT}) -> {returns}: ...")
    if len(lines[-1]) <= FORMATTED_WIDTH:
        return lines
    return [f"{INDENT}# fmt: off", *lines, f"{INDENT}# fmt: on"]  # Black takes no `skip` here


def _parameters(annotations: Annotations, operation: ResolvedOperation) -> Iterable[str]:
    had_default = is_keyword = False
    names = iter(parameters(operation))
    for argument in operation.arguments:
        yield f"{next(names)}: {annotations.into(argument.type)}"
    for lease in operation.leases:
        if not lease.read and not lease.is_slice:
            continue
        has_default = lease.is_slice
        if had_default and not has_default and not is_keyword:
            is_keyword = True
            yield "*"
        had_default = had_default or has_default
        annotation = _lease(annotations, lease) if lease.read else "int"
        yield f"{next(names)}: {annotation}{' = ...' if has_default else ''}"


def _lease(annotations: Annotations, lease: ResolvedLease) -> str:
    return f"Data | Sequence[{annotations.into(lease.element)}]"


def _doc(operation: ResolvedOperation) -> list[str]:
    facts = [f"operation {operation.code}", operation.encoding.lower()]
    facts += ["idempotent"] if operation.idempotent else []
    parts = [operation.doc] if operation.doc else []
    wrapped = paragraphs([*parts, f"`{operation.name}`: {', '.join(facts)}."], WIDTH)
    if wrapped[-1].endswith('"'):
        wrapped[-1] += " "
    if len(wrapped) == 1:
        return [f'{INDENT}"""{wrapped[0]}"""']
    lines = [f'{INDENT}"""{wrapped[0]}', *(f"{INDENT}{line}".rstrip() for line in wrapped[1:])]
    return [*lines, f'{INDENT}"""']


def _errors_of(plan: Plan, planned: PlannedServer) -> list[str]:
    """Write what `dev.Spi.errors` has; variants that several errors have are left out."""
    types = {
        error.type.name: error.type
        for error in (o.resolved.error for o in planned.operations)
        if error is not None and error.type is not None
    }
    variants = [
        (attribute, plan.variants[name][variant])
        for name, type_ in types.items()
        for variant, attribute in variant_attributes(type_, IN_AN_ERROR).items()
    ]
    counts = Counter(attribute for attribute, _ in variants)
    rows = {a: f"errors.{made}" for a, made in variants if counts[a] == 1}
    rows |= {plan.names[n]: f"errors.{plan.names[n]}" for n in types}
    lines = [f"class {planned.stem}_Errors:"]
    lines += [f"{INDENT}{n}: Final[type[{c}]]" for n, c in rows.items()]
    return [*(lines if rows else [f"{lines[0]} ..."]), ""]


def _interface(planned: PlannedServer, face: str) -> list[str]:
    lines = [f"class {planned.stem}{face}:"]
    lines += [f"{INDENT}{o.attribute}: Final[{o.stem}{face}]" for o in planned.operations]
    return [*lines, f"{INDENT}errors: Final[{planned.stem}_Errors]", ""]


def _spaces(plan: Plan) -> list[str]:
    """Write the device, the tasks and the faces of both."""
    by_task: dict[str, list[PlannedServer]] = {}
    for planned in plan.servers:
        by_task.setdefault(planned.server.task.name, []).append(planned)
    lines: list[str] = []
    bases = {"": "(BaseTask)", "Aio": "", "Batch": "(BaseBatch)"}
    for face in FACES:
        for servers in by_task.values():
            rows = [f"{INDENT}{s.attribute}: Final[{s.stem}{face}]" for s in servers if s.attribute]
            head = f"class {servers[0].task_class}{face}{bases[face]}:"
            lines += [head, *rows, ""] if rows else [f"{head} ...", ""]
    device = {"": "class Device(BaseDevice):", "Aio": "class DeviceAio:"}
    device["Batch"] = "class DeviceBatch(BaseBatch):"
    counts = Counter(s.server.interface.name for s in plan.servers)
    for face in reversed(FACES):
        lines.append(device[face])
        lines += [
            f"{INDENT}{s.attribute}: Final[{s.stem}{face}]"
            for s in plan.servers
            if s.attribute and counts[s.server.interface.name] == 1
        ]
        lines += _get_task({t: s[0].task_class for t, s in by_task.items()}, face)
        if not face:
            lines += [f"{INDENT}@property", f"{INDENT}def aio(self) -> DeviceAio: ..."]
            lines += [f"{INDENT}def batch(self) -> DeviceBatch: ..."]
        lines.append("")
    return lines


def _get_task(tasks: dict[str, str], face: str) -> list[str]:
    overload = [f"{INDENT}@overload"] if len(tasks) > 1 else []
    lines = []
    for task, made in tasks.items():
        lines += overload
        head = f"def __getitem__(self, task: Literal[{quoted(task)}])"
        lines.append(f"{INDENT}{head} -> {made}{face}: ...")
    return lines
