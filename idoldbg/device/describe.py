"""Operations as Python tools show them: signature, help text, limits of the image."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

from idol.printable import join_lines, printable
from idoldbg.call.caller import Caller
from idoldbg.device.classes import Classes
from idoldbg.device.names import python_names
from idoldbg.device.results import Leases, Reply
from idoldbg.errors import IdoldbgError
from idoldbg.model.types import Type, short_name
from idoldbg.resolver import ResolvedLease, ResolvedOperation

__all__ = [
    "help_text",
    "limits_text",
    "make_signature",
    "one_line",
    "parameters",
]

MISSING = "???"
WIDTH = 88


def parameters(operation: ResolvedOperation) -> dict[str, str]:
    """Return the names of the Python parameters, each with its argument's or lease's name.

    A lease of one element that the server writes needs no parameter: its size is known.
    """
    names = [a.name for a in operation.arguments]
    names += [lease.name for lease in operation.leases if lease.read or lease.is_slice]
    return dict(zip(python_names(names), names, strict=True))


def make_signature(operation: ResolvedOperation, classes: Classes) -> inspect.Signature:
    """Return the signature of the Python callable."""
    found = []
    names = iter(parameters(operation))
    for argument in operation.arguments:
        annotation = classes.annotation(argument.type)
        found.append(_parameter(next(names), annotation=annotation))
    for lease in operation.leases:
        if not lease.read and not lease.is_slice:
            continue
        annotation = bytes if lease.read else int
        default: Any = inspect.Parameter.empty
        if lease.is_slice:
            default = b"" if lease.read else 0
        found.append(_parameter(next(names), annotation=annotation, default=default))
    had_default = False
    for index, parameter in enumerate(found):
        if had_default and parameter.default is inspect.Parameter.empty:
            found[index:] = [p.replace(kind=p.KEYWORD_ONLY) for p in found[index:]]
            break
        had_default = parameter.default is not inspect.Parameter.empty
    generic: Any = Reply
    returns = generic[classes.annotation(operation.ok.type), Leases]
    return inspect.Signature(found, return_annotation=returns)


def _parameter(name: str, **more: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, **more)


def one_line(operation: ResolvedOperation) -> str:
    """Write the operation as Rust would declare it."""
    parts = [f"{a.name}: {_short(a.type, a.text)}" for a in operation.arguments]
    for lease in operation.leases:
        inner = _short(lease.element, lease.text.strip("[]"))
        reference = "&mut " if lease.write else "&"
        parts.append(f"{lease.name}: {reference}{f'[{inner}]' if lease.is_slice else inner}")
    ok = _short(operation.ok.type, operation.ok.text)
    if operation.error is not None:
        returns = f" -> Result<{ok}, {_short(operation.error.type, operation.error.text)}>"
    else:
        is_nothing = operation.ok.type is not None and operation.ok.type.is_unit
        returns = "" if is_nothing else f" -> {ok}"
    return f"{operation.name}({', '.join(parts)}){returns}"


def _short(type_: Type | None, text: str) -> str:
    return f"{MISSING} {text}" if type_ is None else short_name(type_.name)


def help_text(operation: ResolvedOperation, signature: inspect.Signature, limits: str) -> str:
    """Write all that is known of an operation; `limits` is what `limits_text` wrote."""
    facts = [f"operation {operation.code} of task `{operation.task}`", operation.encoding.lower()]
    facts += ["idempotent"] if operation.idempotent else []
    blocks = []
    if operation.doc:
        blocks.append(join_lines(textwrap.wrap(" ".join(operation.doc.split()), WIDTH)))
    blocks.append(printable(", ".join(facts)))
    blocks.append(join_lines(_parameter_lines(operation)))
    blocks.append(join_lines(_error_lines(operation)))
    blocks.append(join_lines(textwrap.wrap(limits, WIDTH)))
    head = printable(f"{operation.operation}{_plain(signature)}")
    return "\n\n".join([head, *(block for block in blocks if block)])


def _plain(signature: inspect.Signature) -> str:
    """Write a signature without the modules of classes."""
    parts = []
    for parameter in signature.parameters.values():
        default = parameter.default
        tail = "" if default is inspect.Parameter.empty else f" = {default!r}"
        parts.append(f"{parameter.name}: {_annotation(parameter.annotation)}{tail}")
    return f"({', '.join(parts)})"


def _annotation(annotation: Any) -> str:
    if annotation is None:
        return "None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _parameter_lines(operation: ResolvedOperation) -> list[str]:
    lines = [f"{a.name}: {_short(a.type, a.text)}{_variants(a.type)}" for a in operation.arguments]
    return lines + [_lease_line(lease) for lease in operation.leases]


def _lease_line(lease: ResolvedLease) -> str:
    inner = _short(lease.element, lease.text.strip("[]"))
    at_most = "" if lease.max_len is None else f", at most {lease.max_len} elements"
    if lease.read:
        return f"{lease.name}: {inner} elements that the server reads (bytes or a list){at_most}"
    if not lease.is_slice:
        return f"{lease.name}: one {inner} that the server writes, in `leases.{lease.name}`"
    return (
        f"{lease.name}: how many {inner} the server may write; they are in "
        f"`leases.{lease.name}`{at_most}"
    )


def _variants(type_: Type | None) -> str:
    names = () if type_ is None else type_.variant_names
    return f" ({' | '.join(names[:16])}{' | …' if len(names) > 16 else ''})" if names else ""


def _error_lines(operation: ResolvedOperation) -> list[str]:
    returns = [f"Returns {_short(operation.ok.type, operation.ok.text)}."]
    if operation.error is None:
        return returns
    kind = _short(operation.error.type, operation.error.text)
    names = () if operation.error.type is None else operation.error.type.variant_names
    return [*returns, f"Raises {kind}: {', '.join(names)}." if names else f"Raises {kind}."]


def limits_text(caller: Caller, operation: ResolvedOperation) -> str:
    """Write what a call of the operation can carry, or why it cannot be called."""
    try:
        room = caller.room(operation)
    except IdoldbgError as error:
        return f"Cannot be called: {error}."
    parts = [f"{room.payload} bytes of arguments"]
    if any(lease.read for lease in operation.leases):
        parts.append(f"{room.lent} bytes of data to read")
    if any(lease.write for lease in operation.leases):
        parts.append(f"{room.reply} bytes of reply and written data")
    else:
        parts.append(f"{room.reply} bytes of reply")
    return f"This image's {caller.transport.client} can carry {', '.join(parts)}."
