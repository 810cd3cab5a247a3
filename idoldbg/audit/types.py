"""Checks of the types that operations name: there, whole, one, and fit for their way."""

from __future__ import annotations

from collections.abc import Iterator

from idol.findings import Level
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.subject import Part, Subject
from idoldbg.audit.walk import is_inhabited, walk_types
from idoldbg.call import codec
from idoldbg.errors import EncodeError
from idoldbg.model.types import CEnum, Enum, Opaque, Type
from idoldbg.resolver import ErrorKind, How

__all__ = ["check_types"]

_CODE_LIMIT = 0xFFFF  # a response code is a u32 of which Idol's servers send 16 bits
_KEEP_FIX = (
    "Generate the server's stub with `idol server`, which keeps it at no cost; or keep it by hand "
    "in the server's crate: `static KEEP: Option<fn() -> {type}> = None;`."
)


def check_types(subject: Subject) -> Iterator[Finding]:
    """Report what is wrong with the types of an operation, role by role."""
    for part in subject.parts:
        type_ = part.resolution.type
        if type_ is None:
            yield _unresolved(subject, part)
            continue
        yield from _settled_by_rule_of_thumb(subject, part)
        yield from _incomplete_inside(subject, part, type_)
        yield from _without_discriminants(subject, part, type_)
        yield from _cannot_travel(subject, part, type_)
        if part.role is Role.ERROR:
            yield from _error_codes(subject, part, type_)


# ---- types that were not found, or not for certain -----------------------------------------------


def _unresolved(subject: Subject, part: Part) -> Finding:
    text, effect = part.resolution.text, _effect(subject, part)
    # Such an operation can be called: its errors merely have no names.
    level = Level.WARNING if _is_response_code(subject, part) else None
    match part.resolution.how:
        case How.AMBIGUOUS:
            return _ambiguous(subject, part, effect, level)
        case How.INCOMPLETE:
            names = ", ".join(f"`{c.name}`" for c in part.resolution.candidates) or "its name"
            return subject.finding(
                "type-incomplete",
                f"the type of {part.label}, `{text}`, is only declared in the debug information: "
                f"the compiler wrote {names} without a layout. {effect}",
                _keep_fix(text),
                part=part,
                level=level,
            )
    return subject.finding(
        "type-missing",
        f"the type of {part.label}, `{text}`, is not in the debug information: no value of it was "
        f"left after optimisation. {effect}",
        _keep_fix(text),
        part=part,
        level=level,
    )


def _is_response_code(subject: Subject, part: Part) -> bool:
    return part.role is Role.ERROR and subject.resolved.error_kind is not ErrorKind.COMPLEX


def _keep_fix(text: str) -> str:
    """Describe how to keep a type; for a slice, its element type."""
    element = text[1:-1] if text.startswith("[") and ";" not in text else text
    return _KEEP_FIX.format(type=element)


def _effect(subject: Subject, part: Part) -> str:
    """Describe what an unknown type means to a caller."""
    if part.role is Role.OK:
        return "The reply cannot be read."
    if part.role is Role.ERROR:
        if _is_response_code(subject, part):
            return "Errors can be shown as numbers only."
        return "The error cannot be read."
    if part.role is Role.LEASE:
        return "The amount to lend is unknown."
    return "Its value cannot be encoded."


def _ambiguous(subject: Subject, part: Part, effect: str, level: Level | None) -> Finding:
    text, candidates = part.resolution.text, part.resolution.candidates
    names = sorted({c.name for c in candidates})
    message = (
        f"the type of {part.label}, `{text}`, may be any of {len(candidates)} types with different "
        f"layouts: {', '.join(f'`{name}`' for name in names)}. {effect}"
    )
    if len(names) == len(candidates):
        fix = (
            f'Write the whole path in the interface, such as "{names[0]}"; or say which it is when '
            f"calling: --type '{text}={names[0]}'."
        )
    else:
        # Paths do not help where two crates, or two versions of one, have the same.
        fix = (
            "Types of one path come from two versions of a crate: build with one of them. Or "
            "generate the server's stub with `idol server`, which keeps the type that is meant."
        )
    return subject.finding(
        "type-ambiguous", message, fix, part=part, level=level, candidates=candidates
    )


def _settled_by_rule_of_thumb(subject: Subject, part: Part) -> Iterator[Finding]:
    """Report what is known, but not for certain or not by its name."""
    resolution = part.resolution
    if resolution.how is How.WIRE:
        assert resolution.type is not None
        yield subject.finding(
            "type-missing",
            f"the type of {part.label}, `{resolution.text}`, is not in the debug information. It "
            f"travels as `{resolution.type.name}`, so its value can be given and is shown as that.",
            _keep_fix(resolution.text),
            part=part,
            level=Level.WARNING,
        )
    elif resolution.how in (How.NEAREST, How.ELSEWHERE) and len(resolution.candidates) > 1:
        assert resolution.type is not None
        chosen = resolution.type.name
        others = sorted({c.name for c in resolution.candidates} - {chosen}) or [chosen]
        yield subject.finding(
            "type-ambiguous",
            f"the type of {part.label}, `{resolution.text}`, was taken for `{chosen}` because that "
            f"is nearest to the server; of another layout {'is' if len(others) == 1 else 'are'} "
            f"also {', '.join(f'`{name}`' for name in others)}",
            f'Write the whole path in the interface to be certain: "{chosen}".',
            part=part,
            level=Level.NOTE,
            candidates=resolution.candidates,
        )


# ---- types that were found -----------------------------------------------------------------------


def _incomplete_inside(subject: Subject, part: Part, type_: Type) -> Iterator[Finding]:
    for path, inner in walk_types(type_):
        if isinstance(inner, Opaque):
            where = f"`{part.resolution.text}{path}`" if path else f"`{part.resolution.text}`"
            yield subject.finding(
                "type-incomplete",
                f"{part.label}: {where} is a `{inner.name}`, which the debug information only "
                f"declares ({inner.reason}). {_effect(subject, part)}",
                _keep_fix(inner.name),
                part=part,
            )
            return


def _without_discriminants(subject: Subject, part: Part, type_: Type) -> Iterator[Finding]:
    """Report enums whose variants cannot be told apart in memory.

    One variant may lack a number: it has all the values that a niche leaves over. Encodings of
    serde number variants by their order and need none.
    """
    for path, inner in walk_types(type_):
        if not isinstance(inner, Enum):
            continue
        nameless = [
            v.name for v in inner.variants if v.discriminant is None and is_inhabited(v.type)
        ]
        if len(nameless) < 2:
            continue
        is_harmless = subject.is_serialized and part.role is not Role.LEASE
        effect = (
            "Calls are not affected, since this encoding numbers variants by their order; "
            "what lies in memory cannot be decoded."
            if is_harmless
            else "Its value cannot be read from its bytes."
        )
        where = f" (at `{path.lstrip('.')}`)" if path else ""
        yield subject.finding(
            "variant-without-discriminant",
            f"{part.label}: the debug information gives no discriminants for the variants "
            f"{', '.join(nameless)} of `{inner.name}`{where}. {effect}",
            "Build with another version of rustc (rust-lang/rust#104625 lost them), or give the "
            "enum a `#[repr(u8)]`.",
            part=part,
            level=Level.NOTE if is_harmless else None,
        )
        return


def _cannot_travel(subject: Subject, part: Part, type_: Type) -> Iterator[Finding]:
    """Report types for which the encoding has no form, such as a pointer in a Hubpack reply."""
    if part.role is Role.LEASE or any(isinstance(t, Opaque) for _, t in walk_types(type_)):
        return
    encoding = subject.operation.encoding.lower()
    if part.role is Role.ERROR:
        if subject.resolved.error_kind is not ErrorKind.COMPLEX:
            return
        encoding = "hubpack"
    try:
        codec.for_encoding(encoding).max_size(type_)
    except EncodeError as error:
        yield subject.finding(
            "encoding-unsupported",
            f"{part.label}, `{part.resolution.text}`, cannot be {encoding}: {error}. If its "
            "serialization is written by hand, only its author knows what travels.",
            "Derive Serialize and Deserialize for types that have a form, or send another type.",
            part=part,
        )


def _error_codes(subject: Subject, part: Part, type_: Type) -> Iterator[Finding]:
    """Report errors whose number is not a response code: 0 is success, and 16 bits are sent."""
    if subject.resolved.error_kind is not ErrorKind.C_LIKE or not isinstance(type_, CEnum):
        return
    zero = [e.name for e in type_.enumerators if e.value == 0]
    wide = [e for e in type_.enumerators if not 0 <= e.value <= _CODE_LIMIT]
    problems = []
    if zero:
        problems.append(f"{', '.join(zero)} is 0, which callers take for success")
    if wide:
        listed = ", ".join(f"{e.name} ({e.value})" for e in wide)
        problems.append(f"{listed} does not fit the 16 bits of a response code")
    if problems:
        yield subject.finding(
            "error-code-range",
            f"the error `{type_.name}`: {'; '.join(problems)}",
            "Number the variants of the error from 1 to 65535: `enum … { First = 1, … }`.",
            part=part,
        )
