"""Coverage as text, JSON, lcov's tracefile and Cobertura's XML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from idol.printable import one_line, xml_text
from idoldbg.views.coverage import Coverage, FileCoverage, InterfaceCoverage

__all__ = ["cobertura", "json", "lcov", "text"]


def lcov(coverage: Coverage) -> str:
    """Return a tracefile (geninfo(1)); counts are 1 or 0: executed or not."""
    lines: list[str] = []
    for file in coverage.files:
        lines += ["TN:", f"SF:{one_line(file.path)}"]
        names: dict[str, bool] = {}
        for function in file.functions:
            name = one_line(function.name)
            if name not in names:
                lines.append(f"FN:{function.line},{name}")
            names[name] = names.get(name, False) or function.is_hit
        lines += [f"FNDA:{int(is_hit)},{name}" for name, is_hit in names.items()]
        lines += [f"FNF:{len(names)}", f"FNH:{sum(names.values())}"]
        lines += [f"DA:{number},{int(is_hit)}" for number, is_hit in file.lines.items()]
        lines += [f"LF:{len(file.lines)}", f"LH:{sum(file.lines.values())}", "end_of_record"]
    return "".join(f"{line}\n" for line in lines)


def cobertura(coverage: Coverage, *, timestamp_s: int) -> str:
    """Return Cobertura's report (coverage-04.dtd): a package a directory, a class a file."""
    hit, total = coverage.lines
    head = _attributes(
        {
            "line-rate": _rate(hit, total),
            "branch-rate": "0",
            "lines-covered": hit,
            "lines-valid": total,
            "branches-covered": 0,
            "branches-valid": 0,
            "complexity": "0",
            "version": "idoldbg",
            "timestamp": timestamp_s,
        }
    )
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">',
        f"<coverage{head}>",
        "<sources><source>/</source></sources>",
        "<packages>",
    ]
    folders: dict[str, list[FileCoverage]] = {}
    for file in coverage.files:
        folders.setdefault(file.path.rpartition("/")[0], []).append(file)
    for folder, files in folders.items():
        values = [is_hit for file in files for is_hit in file.lines.values()]
        out.append(f"<package{_named(folder.strip('/').replace('/', '.'), values)}><classes>")
        for file in files:
            out += _class(file)
        out.append("</classes></package>")
    out += ["</packages>", "</coverage>"]
    return "\n".join(out) + "\n"


def _class(file: FileCoverage) -> list[str]:
    values = list(file.lines.values())
    name = file.path.rpartition("/")[2]
    named = _named(name, values, filename=file.path.removeprefix("/"))
    out = [f"<class{named}>", "<methods>"]
    for function in file.functions:
        rates = _named(function.name, [function.is_hit], signature="")
        lines = _line(function.line, function.is_hit)
        out.append(f"<method{rates}><lines>{lines}</lines></method>")
    out.append("</methods>")
    lines = "".join(_line(number, is_hit) for number, is_hit in file.lines.items())
    return [*out, f"<lines>{lines}</lines>", "</class>"]


def _line(number: int, is_hit: bool) -> str:
    return f'<line number="{number}" hits="{int(is_hit)}" branch="false"/>'


def _named(name: str, values: Sequence[bool], **more: str) -> str:
    rate = _rate(sum(values), len(values))
    rates = {"line-rate": rate, "branch-rate": "0", "complexity": "0"}
    return _attributes({"name": name or ".", **more, **rates})


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f" {name}={quoteattr(xml_text(str(v)))}" for name, v in values.items())


def _rate(hit: int, total: int) -> str:
    return f"{hit / total:.4f}" if total else "1"


def text(coverage: Coverage) -> str:
    """Return a table of tasks, one of interfaces, and what was not called."""
    return "\n".join([*_objects(coverage), *_interfaces(coverage.interfaces)])


def _objects(coverage: Coverage) -> list[str]:
    rows = []
    images = list(dict.fromkeys(each.image for each in coverage.objects))
    for image in images:
        rows.append((f"image {image}", "lines", "", "functions", ""))
        for each in coverage.objects:
            if each.image != image:
                continue
            if each.problem:
                rows.append((f"  {each.name}", f"[{each.problem}]", "", "", ""))
                continue
            rows.append((f"  {each.name}", *_share(each.lines_hit, each.lines),
                         *_share(each.functions_hit, each.functions)))  # fmt: skip
    hit, total = coverage.lines
    functions = [f.is_hit for file in coverage.files for f in file.functions]
    rows.append(("all files", *_share(hit, total), *_share(sum(functions), len(functions))))
    return _table(rows, right=(1, 2, 3, 4))


def _share(hit: int, total: int) -> tuple[str, str]:
    return f"{hit}/{total}", f"{100 * hit / total:5.1f} %" if total else "-"


def _interfaces(interfaces: Sequence[InterfaceCoverage]) -> list[str]:
    if not interfaces:
        return []
    rows = [("interface", "task", "operations", "error variants", "not yet called, or seen")]
    for each in interfaces:
        seen, known = each.errors
        missing = [op.name for op in each.operations if not op.is_called]
        unseen = [
            f"{op.name}: {name}"
            for op in each.operations
            if op.is_called
            for name, is_seen in op.errors.items()
            if not is_seen
        ]
        counts = (f"{each.called}/{len(each.operations)}", f"{seen}/{known}" if known else "-")
        rows.append((each.interface, each.task, *counts, ", ".join([*missing, *unseen])))
    return ["", *_table(rows, right=())]


def _table(rows: Sequence[Sequence[str]], right: Iterable[int]) -> list[str]:
    shown = [[one_line(cell) for cell in row] for row in rows]
    last = len(shown[0]) - 1
    widths = [max(len(row[i]) for row in shown if len(row[i]) < 60) for i in range(last + 1)]
    sides = set(right)
    return [
        "  ".join(
            cell.rjust(widths[i]) if i in sides else cell if i == last else cell.ljust(widths[i])
            for i, cell in enumerate(row)
        ).rstrip()
        for row in shown
    ]


def json(coverage: Coverage) -> dict[str, Any]:
    """Return sums, and each operation; lines of files are in lcov and Cobertura."""
    hit, total = coverage.lines
    return {
        "schema": "idoldbg.coverage/1",
        "lines": total,
        "lines_hit": hit,
        "objects": [
            {
                "image": each.image,
                "name": each.name,
                "lines": each.lines,
                "lines_hit": each.lines_hit,
                "functions": each.functions,
                "functions_hit": each.functions_hit,
                "problem": each.problem or None,
            }
            for each in coverage.objects
        ],
        "interfaces": [
            {
                "interface": each.interface,
                "task": each.task,
                "operations": [
                    {
                        "name": op.name,
                        "called": op.is_called,
                        "errors": dict(op.errors),
                        "other_answers": list(op.other_answers),
                    }
                    for op in each.operations
                ],
            }
            for each in coverage.interfaces
        ],
    }
