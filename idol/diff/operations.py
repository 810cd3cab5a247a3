"""One operation before and after, part by part."""

from __future__ import annotations

from collections.abc import Iterator

from idol.diff.changes import Change, Level
from idol.diff.types import compare_errors, compare_types, compare_values, wire_type
from idol.kinds import Encoding, ErrorKind
from idol.records import dataclass
from idol.source import Span
from idol.syntax import Argument, AttributedType, Lease, Operation, Reply


def compare_operations(old: Operation, new: Operation) -> Iterator[Change]:
    report = _Report(new.name, old.span, new.span)
    if old.name != new.name:
        yield report(Level.SOURCE, "operation-renamed", f"it was `{old.name}`", old.name, new.name)
    if old.code != new.code:
        message = f"its code changed from {old.code} to {new.code}"
        yield report(Level.BREAKING, "operation-renumbered", message, str(old.code), str(new.code))
    yield from _compare_idempotency(old, new, report)
    yield from _compare_encoding(old, new, report)
    yield from _compare_arguments(old, new, report)
    yield from _compare_leases(old, new, report)
    yield from _compare_replies(old, new, report)


@dataclass(frozen=True, slots=True)
class _Report:
    """Makes the changes of one operation."""

    operation: str
    old_span: Span
    new_span: Span

    def __call__(
        self,
        level: Level,
        kind: str,
        message: str,
        old: str | None,
        new: str | None,
        old_span: Span | None = None,
        new_span: Span | None = None,
    ) -> Change:
        return Change(
            level,
            kind,
            self.operation,
            message,
            old,
            new,
            old_span or self.old_span,
            new_span or self.new_span,
        )


# -- the parts of an operation -----------------------------------------------------------------


def _compare_idempotency(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    if old.idempotent and not new.idempotent:
        yield report(
            Level.BREAKING,
            "idempotency-lost",
            "it is no longer idempotent: callers built before repeat it when the server restarts",
            "idempotent",
            "not idempotent",
            old.idempotent_span,
            new.idempotent_span,
        )
    elif new.idempotent and not old.idempotent:
        yield report(
            Level.COMPATIBLE,
            "idempotency-gained",
            "it is idempotent now",
            "not idempotent",
            "idempotent",
            old.idempotent_span,
            new.idempotent_span,
        )


def _compare_encoding(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    if old.encoding is new.encoding:
        return
    # An operation that sends nothing either way has nothing to encode.
    level = Level.BREAKING if _sends(old) or _sends(new) else Level.COMPATIBLE
    message = f"its encoding changed from {old.encoding} to {new.encoding}"
    yield report(level, "encoding-changed", message, str(old.encoding), str(new.encoding))


def _sends(operation: Operation) -> bool:
    error = operation.reply.error
    is_complex = error is not None and error.kind is ErrorKind.COMPLEX
    return bool(operation.arguments) or not operation.reply.ok.type.is_unit or is_complex


def _compare_arguments(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    """Compare by position, as the bytes do; a moved argument is said to have moved."""
    old_names = [argument.name for argument in old.arguments]
    new_names = [argument.name for argument in new.arguments]
    if sorted(old_names) == sorted(new_names) and old_names != new_names:
        same = [wire_type(a.value, old.encoding) for a in old.arguments] == [
            wire_type(a.value, new.encoding) for a in new.arguments
        ]
        detail = "; the types stand as before, so their meaning is exchanged" if same else ""
        yield report(
            Level.BREAKING,
            "arguments-reordered",
            f"its arguments have another order{detail}",
            ", ".join(old_names),
            ", ".join(new_names),
        )
        return
    if len(old.arguments) != len(new.arguments):
        yield from _count_arguments(old, new, report)
        by_name = {argument.name: argument for argument in old.arguments}
        pairs = [(by_name[a.name], a) for a in new.arguments if a.name in by_name]
    else:
        pairs = list(zip(old.arguments, new.arguments, strict=True))
    for before, after in pairs:
        yield from _compare_argument(before, after, old.encoding, new.encoding, report)


def _count_arguments(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    old_names = {argument.name for argument in old.arguments}
    new_names = {argument.name for argument in new.arguments}
    for argument in old.arguments:
        if argument.name not in new_names:
            message = f"argument `{argument.name}` is gone"
            yield report(
                Level.BREAKING, "argument-removed", message, _show(argument), None, argument.span
            )
    for argument in new.arguments:
        if argument.name not in old_names:
            message = f"argument `{argument.name}` is new"
            yield report(
                Level.BREAKING,
                "argument-added",
                message,
                None,
                _show(argument),
                None,
                argument.span,
            )


def _compare_argument(
    old: Argument, new: Argument, old_encoding: Encoding, new_encoding: Encoding, report: _Report
) -> Iterator[Change]:
    if old.name != new.name:
        message = f"argument `{old.name}` is called `{new.name}` now"
        yield report(
            Level.SOURCE, "argument-renamed", message, old.name, new.name, old.span, new.span
        )
    level = compare_values(old.value, new.value, old_encoding, new_encoding)
    if level is not None:
        yield report(
            level,
            "type-changed",
            f"argument `{new.name}` has another type",
            _show_value(old.value),
            _show_value(new.value),
            old.value.type.span,
            new.value.type.span,
        )


def _compare_leases(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    """Compare by position: servers know a lease by its number."""
    if len(old.leases) != len(new.leases):
        yield report(
            Level.BREAKING,
            "lease-count-changed",
            f"it lends {len(new.leases)} pieces of memory instead of {len(old.leases)}",
            ", ".join(lease.name for lease in old.leases),
            ", ".join(lease.name for lease in new.leases),
        )
        by_name = {lease.name: lease for lease in old.leases}
        pairs = [(by_name[lease.name], lease) for lease in new.leases if lease.name in by_name]
    else:
        pairs = list(zip(old.leases, new.leases, strict=True))
    for before, after in pairs:
        yield from _compare_lease(before, after, report)


def _compare_lease(old: Lease, new: Lease, report: _Report) -> Iterator[Change]:
    places = (old.span, new.span)
    if old.name != new.name:
        message = f"lease `{old.name}` is called `{new.name}` now"
        yield report(Level.SOURCE, "lease-renamed", message, old.name, new.name, *places)
    gains = (new.read and not old.read) or (new.write and not old.write)
    if (old.read, old.write) != (new.read, new.write):
        more = "more than callers built before grant" if gains else "less than before"
        yield report(
            Level.BREAKING if gains else Level.COMPATIBLE,
            "lease-access-changed",
            f"lease `{new.name}` needs other access, {more}",
            _show_access(old),
            _show_access(new),
            *places,
        )
    level = compare_types(old.type.rust, new.type.rust)
    if level is not None:
        yield report(
            level,
            "lease-type-changed",
            f"lease `{new.name}` has another type",
            str(old.type),
            str(new.type),
            old.type.span,
            new.type.span,
        )
    if old.max_len != new.max_len:
        shrinks = new.max_len is not None and (old.max_len is None or new.max_len < old.max_len)
        yield report(
            Level.BREAKING if shrinks else Level.COMPATIBLE,
            "lease-limit-changed",
            f"lease `{new.name}` may be {'shorter only' if shrinks else 'longer'}",
            _show_limit(old),
            _show_limit(new),
            old.max_len_span or old.span,
            new.max_len_span or new.span,
        )


def _compare_replies(old: Operation, new: Operation, report: _Report) -> Iterator[Change]:
    before, after = old.reply, new.reply
    level = compare_values(before.ok, after.ok, old.encoding, new.encoding)
    if level is not None:
        yield report(
            level,
            "type-changed",
            "its reply has another type",
            _show_value(before.ok),
            _show_value(after.ok),
            before.ok.type.span,
            after.ok.type.span,
        )
    level = compare_errors(before.error, after.error)
    if level is not None:
        kinds = _error_kind(before) != _error_kind(after)
        yield report(
            level,
            "error-kind-changed" if kinds else "error-type-changed",
            "it fails in another way" if kinds else "its error has another type",
            _show_error(before),
            _show_error(after),
            before.error.span if before.error else before.span,
            after.error.span if after.error else after.span,
        )


def _error_kind(reply: Reply) -> ErrorKind | None:
    return reply.error.kind if reply.error else None


# -- descriptions ---------------------------------------------------------------------------------


def _show(argument: Argument) -> str:
    return f"{argument.name}: {_show_value(argument.value)}"


def _show_value(value: AttributedType) -> str:
    if value.wire_type is None:
        return str(value.type)
    function = f" through {value.recv.function}" if value.recv.function else ""
    return f"{value.type} from {value.wire_type}{function}"


def _show_access(lease: Lease) -> str:
    """Describe what the server may do with a lease."""
    access = [kind for kind, granted in (("read", lease.read), ("write", lease.write)) if granted]
    return " and ".join(access) or "nothing"


def _show_limit(lease: Lease) -> str:
    return "no limit" if lease.max_len is None else f"at most {lease.max_len}"


def _show_error(reply: Reply) -> str:
    """Return an operation's error in Idol syntax."""
    if reply.error is None:
        return "cannot fail"
    return f"{reply.error.kind}({reply.error.type})" if reply.error.type else reply.error.kind
