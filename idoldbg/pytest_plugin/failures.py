"""Adds to the report of a failed test what the boards say."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from idoldbg.errors import IdoldbgError
from idoldbg.pytest_plugin.attached import AttachedBoard
from idoldbg.pytest_plugin.evidence import Evidence, file_stem, write_evidence
from idoldbg.pytest_plugin.pool import infrastructure_reason
from idoldbg.pytest_plugin.settings import read_settings, worker_name
from idoldbg.render.printable import join_lines, one_line, printable

__all__ = ["describe_failure", "dump_path", "hide_internals", "is_python_mistake"]

PACKAGE = Path(__file__).resolve().parent.parent
API = PACKAGE / "device"
MISTAKE = "_idoldbg_mistake"  # attribute of an exception


def hide_internals(error: Exception) -> Exception:
    """Cut an error's traceback where it enters this package: there begins what is not the test.

    Errors other than `IdoldbgError` and those by which the Python API refuses something are bugs,
    and keep it all.
    """
    if is_python_mistake(error):
        error.__dict__[MISTAKE] = True  # it will not be seen from the traceback any more
    elif not isinstance(error, IdoldbgError):
        return error
    kept: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        is_ours = PACKAGE in Path(entry.tb_frame.f_code.co_filename).parents
        if is_ours and kept and not _is_hook(kept[-1]):
            break
        kept.append(entry)
        entry = entry.tb_next
    shortened = None
    for entry in reversed(kept):
        shortened = TracebackType(shortened, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return error.with_traceback(shortened)


def _is_hook(entry: TracebackType) -> bool:
    """Return whether a frame is the plug-in's or pytest's own, before the test's."""
    path = Path(entry.tb_frame.f_code.co_filename)
    return PACKAGE in path.parents or {"_pytest", "pluggy"} & set(path.parts) != set()


def describe_failure(
    item: pytest.Item, report: pytest.TestReport, error: BaseException, used: list[AttachedBoard]
) -> None:
    """Mark failures of the lab; collect evidence from boards that still answer."""
    if error.__suppress_context__ and isinstance(error, pytest.fail.Exception):
        error = error.__context__ or error  # a fixture of ours has put it into words
    reason = infrastructure_reason(error)
    if reason is not None:
        report.idoldbg_infrastructure = reason  # type: ignore[attr-defined]  # travels with it
        item.user_properties.append(("infrastructure", printable(reason)))
        for attached in used:
            attached.lost = attached.lost or reason
    found = [
        attached.collect(dump_path(item, number, report.when))
        for number, attached in enumerate(used)
        if attached.lost is None and not (is_python_mistake(error) and not attached.has_deaths())
    ]
    if not found:
        return
    path = _folder(item) / f"{_stem(item, report.when)}.json"
    try:
        write_evidence(path, found)
        item.user_properties.append(("evidence", str(path)))
    except OSError as failure:
        _add(report, "idoldbg", one_line(f"the evidence could not be written: {failure}"))
    for evidence in found:
        _add_evidence(report, evidence, with_name=len(found) > 1)


def dump_path(item: pytest.Item, number: int, when: str | None = "call") -> Path:
    """Return where the core dump of a test's board goes, the boards counted from 0."""
    stem = _stem(item, when)
    return _folder(item) / (f"{stem}.{number}.core" if number else f"{stem}.core")


def _stem(item: pytest.Item, when: str | None) -> str:
    """Return how a test's files begin; what a teardown adds does not replace the test's own."""
    stem = file_stem(item.nodeid, worker_name(item.config))
    return f"{stem}.teardown" if when == "teardown" else stem


def is_python_mistake(error: BaseException) -> bool:
    """Return whether a test failed of its own Python, of which no board knows anything.

    Names that do not exist anywhere; types and attributes where this package refused them.
    """
    if isinstance(error, NameError | ImportError | SyntaxError) or MISTAKE in error.__dict__:
        return True
    return isinstance(error, TypeError | AttributeError) and _is_refusal(error)


def _is_refusal(error: BaseException) -> bool:
    """Return whether the Python API raised an error, in the frames that tests call into."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    if entry is None:
        return False
    return API in Path(entry.tb_frame.f_code.co_filename).parents


def _folder(item: pytest.Item) -> Path:
    chosen = read_settings(item.config).evidence
    if chosen is not None:
        return chosen
    factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.getbasetemp() / "idoldbg"


def _add_evidence(report: pytest.TestReport, evidence: Evidence, with_name: bool) -> None:
    prefix = f"{evidence.board}: " if with_name else ""
    for title, content in evidence.sections:
        _add(report, f"{prefix}{title}", content)
    if evidence.problems:
        _add(report, f"{prefix}what could not be read", join_lines(evidence.problems))


def _add(report: pytest.TestReport, title: str, content: str) -> None:
    """Add a section to the failure itself, so that terminal and JUnit file both have it."""
    title = printable(title)
    representation: Any = report.longrepr
    if hasattr(representation, "addsection"):
        representation.addsection(title, content, "-")
    else:
        report.longrepr = f"{representation}\n{f' {title} '.center(80, '-')}\n{content}"
