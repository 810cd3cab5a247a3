"""An audit as text for people: a table of servers, findings by rule, a verdict in one line."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from idoldbg.audit import RULES, Finding, Level
from idoldbg.audit.verdict import Standing, Verdict
from idoldbg.render.audit.files import Files
from idoldbg.render.printable import LAYOUT, join_lines, one_line, printable
from idoldbg.render.text import table_lines

__all__ = ["WIDTH", "Paint", "plain", "to_text", "verdict_line"]

WIDTH = 96

Paint = Callable[[str, str], str]
"""Styles a text: `paint("error", text)`; styles are the levels, `good`, `bad`, `dim`, `strong`."""


def plain(style: str, text: str) -> str:
    """Style nothing."""
    return text


def to_text(
    verdict: Verdict,
    files: Files,
    paint: Paint = plain,
    *,
    detailed: bool = False,
    width: int = WIDTH,
) -> str:
    """Write an audit; `detailed` adds what was suppressed and what the baseline knows.

    Sentences are broken to lines of `width` characters.
    """
    blocks = [
        _head(verdict, paint),
        _table(verdict, paint),
        *_findings(verdict, files, paint, width),
    ]
    if detailed:
        blocks += _set_aside(verdict, paint)
    blocks.append(join_lines(f"note: {remark}" for remark in verdict.remarks))
    blocks.append(verdict_line(verdict, paint))
    return "\n\n".join(block for block in blocks if block)


def verdict_line(verdict: Verdict, paint: Paint = plain) -> str:
    """Return the verdict in one line."""
    summary = verdict.audit.summary
    head = paint("bad", "FAIL") if verdict.has_failed else paint("good", "PASS")
    parts = [_count(verdict.count(level), str(level)) for level in Level]
    parts += [
        f"{count} {standing}" if standing is Standing.SUPPRESSED else f"{count} in the baseline"
        for standing in (Standing.SUPPRESSED, Standing.BASELINE)
        if (count := verdict.count_standing(standing))
    ]
    said = f"{summary.callable} of {_count(summary.operations, 'operation')} can be called"
    unread = [s.task for s in verdict.audit.servers if s.interface is None]
    if unread:
        whose = unread[0] if len(unread) == 1 else f"{len(unread)} tasks"
        said += f", those of {whose} are unknown"
    return f"{head}  {one_line(said)}; {', '.join(parts)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _head(verdict: Verdict, paint: Paint) -> str:
    audit = verdict.audit
    facts = [f"board {audit.board}"] if audit.board else []
    facts += [f"image {audit.image_name}"] if audit.image_name else []
    facts += [f"id {audit.image_id}"] if audit.image_id else []
    facts += [f"git {audit.git_rev[:12]}"] if audit.git_rev else []
    name = printable(audit.name or audit.archive)
    return "  ".join([paint("strong", one_line(name)), *map(one_line, facts)])


def _table(verdict: Verdict, paint: Paint) -> str:
    if not verdict.audit.servers:
        return "no task of this build serves an interface"
    levels = {server.task: Counter[Level]() for server in verdict.audit.servers}
    for finding in verdict.open:
        if finding.task in levels:
            levels[finding.task][finding.level] += 1
    rows = [["TASK", "INTERFACE", "OPERATIONS", "COMPLETE", "CALLABLE", "FINDINGS"]]
    for server in verdict.audit.servers:
        operations = server.operations
        total = server.operation_count
        numbers = ["?", "?", "?"]
        if server.interface is not None:
            done = sum(o.is_complete for o in operations), sum(o.is_callable for o in operations)
            numbers = [str(number) for number in (total, *done)]
        cells = [n.rjust(len(title)) for n, title in zip(numbers, rows[0][2:5], strict=True)]
        names = [server.task, server.name]
        found = levels[server.task]
        said = ", ".join(_count(found[level], str(level)) for level in Level if found[level])
        rows.append([*names, *cells, said or "-"])
    head, *body = table_lines(rows)
    return "\n".join([paint("dim", head), *(_tint(line, paint) for line in body)])


def _tint(line: str, paint: Paint) -> str:
    """Colour the last column of a row after the worst that it names."""
    for level in (Level.ERROR, Level.WARNING):
        start = line.find(f" {level}")
        if start >= 0:
            at = line.rfind("  ", 0, start) + 2
            return line[:at] + paint(str(level), line[at:])
    return line


# ---- findings ------------------------------------------------------------------------------------


def _findings(verdict: Verdict, files: Files, paint: Paint, width: int) -> Iterator[str]:
    for (level, rule), group in groupby(verdict.open, key=lambda f: (f.level, f.rule)):
        yield _group(level, rule, list(group), files, paint, width)


def _group(
    level: Level, rule: str, found: Sequence[Finding], files: Files, paint: Paint, width: int
) -> str:
    title = RULES[rule].title
    times = f" ({len(found)} times)" if len(found) > 1 else ""
    lines = [f"{paint(str(level), f'{level}: {rule}')}: {title}{times}"]
    shared = {f.fix for f in found}
    for _, alike in groupby(found, key=_message_key):
        for finding in alike:
            place = files.place(finding)
            where = paint("strong", one_line(finding.subject))
            lines.append(f"  {where}{paint('dim', f'  {one_line(place)}') if place else ''}")
        lines += _wrap(finding.message, "    ", width)
        for candidate in finding.candidates:
            objects = f" in {', '.join(candidate.objects)}" if candidate.objects else ""
            differs = f": {'; '.join(candidate.differences)}" if candidate.differences else ""
            line = f"{candidate.name}  {_count(candidate.size, 'byte')}{objects}{differs}"
            lines += _wrap(line, "      ", width)
        if len(shared) > 1:
            lines += _wrap(f"fix: {finding.fix}", "    ", width)
    if len(shared) == 1:
        lines += _wrap(f"fix: {shared.pop()}", "  ", width)
    return "\n".join(lines)


def _message_key(finding: Finding) -> tuple[object, ...]:
    """Return what is said of a finding; where that is the same, it is said once."""
    candidates = [(c.name, c.size, c.objects, c.differences) for c in finding.candidates]
    return finding.message, finding.fix, candidates


def _wrap(text: str, indent: str, width: int) -> list[str]:
    lines = textwrap.wrap(
        printable(text, LAYOUT),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [one_line(line) for line in lines]


def _set_aside(verdict: Verdict, paint: Paint) -> Iterator[str]:
    for standing in (Standing.SUPPRESSED, Standing.BASELINE):
        lines = [
            one_line(
                f"  {j.finding.level}: {j.finding.rule}: {j.finding.subject}"
                + (f": {j.reason}" if j.reason else "")
            )
            for j in verdict.judged
            if j.standing is standing
        ]
        if lines:
            yield "\n".join([paint("dim", f"{standing}:"), *lines])
