"""The matrix: every operation and what is known of each of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from idoldbg.audit import Aspect, Mark, OperationCoverage, ServerCoverage
from idoldbg.audit.verdict import Verdict
from idoldbg.model.types import short_name
from idoldbg.render.audit.files import Files
from idoldbg.render.audit.html.drawings import TypeIndex
from idoldbg.render.audit.html.signs import MARK_LABELS, MARK_SIGNS, prose
from idoldbg.render.element import Html, el, join
from idoldbg.resolver import Resolution, ResolvedLease

__all__ = ["matrix_section"]

_SHORT = {
    Aspect.ARGUMENTS: "Args",
    Aspect.REPLY: "Reply",
    Aspect.ERROR: "Error",
    Aspect.LEASES: "Leases",
    Aspect.LIMITS: "Limits",
    Aspect.ACCESS: "Access",
}
_PROBLEMS = frozenset({Mark.ERROR, Mark.WARNING, Mark.NOTE})


def matrix_section(verdict: Verdict, files: Files, types: TypeIndex) -> Html:
    """Make the tool bar and a table for each server."""
    servers = [_server(server, files, types) for server in verdict.audit.servers]
    if not servers:
        servers = [el("p", "No task of this build serves an interface.", class_="empty")]
    return el(
        "section",
        el("h2", "Operations"),
        _tools(),
        *servers,
        el("p", "Nothing matches.", class_="empty", id="nothing", hidden=True),
        id="operations",
    )


def _tools() -> Html:
    choices = [("all", "All"), ("problem", "With findings"), ("error", "Errors")]
    buttons = [
        el(
            "button",
            label,
            type="button",
            data_show=value,
            aria_pressed="true" if value == "all" else "false",
        )
        for value, label in choices
    ]
    return el(
        "div",
        el(
            "input",
            type="search",
            id="search",
            placeholder="Filter by name, task, type…",
            aria_label="Filter operations, findings and types",
            autocomplete="off",
        ),
        el("div", *buttons, class_="choices", role="group", aria_label="Show"),
        el("button", "Open all", type="button", id="open-all", aria_pressed="false"),
        el("span", id="shown", role="status", class_="soft"),
        class_="tools",
        role="search",
    )


def _server(server: ServerCoverage, files: Files, types: TypeIndex) -> Html:
    can = sum(o.is_callable for o in server.operations)
    total = server.operation_count
    facts = [f"{can} of {total} callable", files.name(server)]
    if not server.is_started:
        facts.insert(0, "not started at boot")
    rows = [row for covered in server.operations for row in _rows(server, covered, types)]
    head = el(
        "tr",
        el("th", "Operation", scope="col"),
        *(el("th", _SHORT[aspect], scope="col", title=str(aspect)) for aspect in Aspect),
    )
    table: str = el(
        "table", el("thead", head), el("tbody", *rows), aria_label=f"{server.task} {server.name}"
    )
    if not rows:
        table = el("p", "Nothing is known of its operations; see the findings.", class_="empty")
    return el(
        "div",
        el(
            "h3",
            el("b", server.name),
            el("span", f" task {server.task}"),
            el("small", " · ".join(facts)),
        ),
        table,
        class_="server",
        id=f"server-{server.task}",
        data_group=True,
    )


def _rows(server: ServerCoverage, covered: OperationCoverage, types: TypeIndex) -> Iterator[Html]:
    operation, resolved = covered.operation, covered.resolved
    anchor = f"op-{server.task}-{operation.name}"
    marks = set(covered.marks.values())
    level = "error" if Mark.ERROR in marks else "problem" if marks & _PROBLEMS else "ok"
    names = [r.type_name or r.text for r in _resolutions(covered)]
    text = " ".join((resolved.name, server.task, *names, *(a.name for a in operation.arguments)))
    button = el(
        "button",
        operation.name,
        type="button",
        class_="opener",
        aria_expanded="false",
        aria_controls=f"{anchor}-detail",
    )
    cells = [_cell(aspect, covered.marks[aspect]) for aspect in Aspect]
    yield el(
        "tr",
        el("th", button, el("span", _signature(covered), class_="signature"), scope="row"),
        *cells,
        id=anchor,
        class_="operation",
        data_text=text.lower(),
        data_level=level,
    )
    detail = el("td", *_detail(covered, types), colspan=1 + len(Aspect))
    yield el("tr", detail, class_="detail", id=f"{anchor}-detail", hidden=True)


def _signature(covered: OperationCoverage) -> str:
    """Write an operation as Rust would, with short names."""
    resolved = covered.resolved
    taken = [f"{a.name}: {_short(a)}" for a in resolved.arguments]
    taken += [f"{lease.name}: {_lent(lease)}" for lease in resolved.leases]
    answered = "" if resolved.ok.text == "()" else f" → {_short(resolved.ok)}"
    return f"({', '.join(taken)}){answered}"


def _short(resolution: Resolution) -> str:
    return short_name(resolution.type_name or resolution.text)


def _lent(lease: ResolvedLease) -> str:
    return f"&{'mut ' if lease.write else ''}{_short(lease)}"


def _resolutions(covered: OperationCoverage) -> list[Resolution]:
    resolved = covered.resolved
    error = [resolved.error] if resolved.error is not None else []
    return [*resolved.arguments, resolved.ok, *error, *resolved.leases]


def _cell(aspect: Aspect, mark: Mark) -> Html:
    return el(
        "td",
        el("span", MARK_SIGNS[mark], class_=f"sign {mark}", aria_hidden="true"),
        el("span", MARK_LABELS[mark], class_="hidden"),
        title=f"{aspect}: {MARK_LABELS[mark]}",
    )


# ---- what opens below an operation ---------------------------------------------------------------


def _detail(covered: OperationCoverage, types: TypeIndex) -> Iterator[Html]:
    resolved = covered.resolved
    if resolved.doc:
        yield el("p", prose(resolved.doc), class_="doc")
    facts = [f"code {resolved.code}", str(resolved.encoding)]
    facts += ["idempotent"] if resolved.idempotent else []
    facts += ["closed to hiffy"] if covered.is_restricted else []
    yield el("p", *(el("span", fact, class_="badge") for fact in facts), class_="badges")
    rows = [_part("argument", a.name, a, types) for a in resolved.arguments]
    rows.append(_part("reply", "", resolved.ok, types))
    if resolved.error is not None:
        kind = f"error, {resolved.error_kind}" if resolved.error_kind is not None else "error"
        rows.append(_part(kind, "", resolved.error, types))
    elif resolved.error_kind is not None:
        rows.append(el("tr", el("td", "error"), el("td", str(resolved.error_kind), colspan=3)))
    rows += [
        _lease(lease, covered.fit.elements.get(lease.name), types) for lease in resolved.leases
    ]
    yield el("table", el("tbody", *rows), class_="parts")
    yield from _meters(covered)
    if covered.is_callable:
        yield el("pre", el("code", _call(covered)))


def _call(covered: OperationCoverage) -> str:
    """Write the command that makes the call."""
    resolved = covered.resolved
    command = [f"idoldbg call {resolved.name}"]
    command += [f"--{_flag(a.name)} VALUE" for a in resolved.arguments]
    command += [f"--{_flag(x.name)} {'DATA' if x.read else 'COUNT'}" for x in resolved.leases]
    return " ".join(command)


def _flag(name: str) -> str:
    return name.replace("_", "-")


def _part(role: str, name: str, resolution: Resolution, types: TypeIndex) -> Html:
    shown = types.link(resolution.type, resolution.type_name) if resolution.type else None
    said = shown or join([el("span", "✗ ", class_="sign error"), el("code", resolution.text)])
    how = [str(resolution.how)] if resolution.type_name != resolution.text else []
    return el(
        "tr",
        el("td", role),
        el("td", el("b", name)),
        el("td", said),
        el("td", *how, class_="soft"),
    )


def _lease(lease: ResolvedLease, elements: int | None, types: TypeIndex) -> Html:
    access = " and ".join(w for w, on in (("read", lease.read), ("write", lease.write)) if on)
    limits = [] if lease.max_len is None else [f"server takes {lease.max_len}"]
    if lease.is_slice and elements is not None:
        limits.append(f"hiffy can lend {elements} elements")
    shown = types.link(lease.type, lease.type_name) if lease.type else el("code", lease.text)
    return el(
        "tr",
        el("td", f"lease, {access}"),
        el("td", el("b", lease.name)),
        el("td", shown),
        el("td", ", ".join(limits), class_="soft"),
    )


def _meters(covered: OperationCoverage) -> Iterator[Html]:
    fit = covered.fit
    meters = []
    for label, size, room in (
        ("arguments", fit.arguments, fit.arguments_room),
        ("reply", fit.reply, fit.reply_room),
    ):
        if size is None:
            continue
        text = f"{size} byte{'' if size == 1 else 's'}"
        if room is None:
            meters.append(el("li", f"{label} {text}"))
            continue
        percent = min(100.0, 100.0 * size / room) if room else 100.0
        bar = el(
            "span",
            el("span", style=f"width:{percent:.1f}%", class_="over" if size > room else None),
            class_="meter",
            role="img",
            aria_label=f"{text} of {room}",
        )
        meters.append(el("li", f"{label} ", bar, f" {text} of {room}"))
    if meters:
        yield el("ul", *meters, class_="meters")
