"""Profiles as text, as speedscope's JSON, and as folded stacks.

Speedscope's format: `src/lib/file-format-spec.ts` of its sources. Folded stacks are those of
flamegraph.pl: a line a stack, functions with `;` between, and how often.
"""

from __future__ import annotations

import json as json_module
from collections import Counter
from typing import Any

from idol.printable import one_line
from idoldbg.views.profile import Context, ContextKind, Profile, ProfileFrame, Stack

__all__ = ["context_title", "folded", "json", "speedscope", "text"]

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
FUNCTIONS = 12


def text(profile: Profile) -> str:
    """Return the shares of tasks and interrupts, and the functions that took the most."""
    total = profile.count
    if not total:
        return "no samples: the board's time did not pass"
    lines = [f"{total} samples, {total * profile.interval_ns / 1e9:.3f} s of the board's time", ""]
    for context, count in profile.by_context.items():
        lines.append(f"{100 * count / total:6.2f} %  {one_line(context_title(context))}")
    functions = list(profile.by_function.items())
    if functions:
        lines += ["", "innermost functions, without sleep:"]
    for (context_name, name), count in functions[:FUNCTIONS]:
        lines.append(f"{100 * count / total:6.2f} %  {one_line(f'{context_name}: {name}')}")
    if len(functions) > FUNCTIONS:
        lines.append(f"          and {len(functions) - FUNCTIONS} more")
    if profile.guessed:
        share = f"{100 * profile.guessed / total:.2f} %"
        lines.append(
            f"note: in {share} the innermost function has no call frame information, and its "
            "caller is a guess"
        )
    if profile.cut:
        share = f"{100 * profile.cut / total:.2f} %"
        lines.append(f"note: in {share} the stack could not be walked to its start")
    return "\n".join(lines)


def context_title(context: Context) -> str:
    """Return what a context is called in all formats."""
    match context.kind:
        case ContextKind.ASLEEP:
            return "asleep (waiting for an interrupt)"
        case ContextKind.HANDLER:
            return f"{context.name} (handler)"
        case ContextKind.KERNEL:
            return "kernel (before its tasks)"
    return context.name


def _names(stack: Stack) -> list[ProfileFrame]:
    return [ProfileFrame(context_title(stack.context)), *stack.frames]


def speedscope(profile: Profile, title: str) -> str:
    """Return a file for https://www.speedscope.app: the whole board, then each context alone."""
    frames: dict[ProfileFrame, int] = {}

    def indices(stack: Stack) -> list[int]:
        return [frames.setdefault(frame, len(frames)) for frame in _names(stack)]

    samples = [(indices(stack), count, stack.context) for stack, count in profile.samples]
    profiles = [_one(f"{title}: all", samples, profile.interval_ns)]
    for context in profile.by_context:
        own = [each for each in samples if each[2] == context]
        profiles.append(_one(context_title(context), own, profile.interval_ns))
    found: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": one_line(title),
        "exporter": "idoldbg",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(frame) for frame in frames]},
        "profiles": profiles,
    }
    return json_module.dumps(found, separators=(",", ":"), ensure_ascii=False) + "\n"


def _frame(frame: ProfileFrame) -> dict[str, str]:
    found = {"name": one_line(frame.name)}
    return found if frame.file is None else {**found, "file": one_line(frame.file)}


def _one(
    name: str, samples: list[tuple[list[int], int, Context]], interval_ns: int
) -> dict[str, Any]:
    weights = [count * interval_ns for _, count, _ in samples]
    return {
        "type": "sampled",
        "name": one_line(name),
        "unit": "nanoseconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": [stack for stack, _, _ in samples],
        "weights": weights,
    }


def folded(profile: Profile) -> str:
    """Return a line for each stack: its functions, outermost first, and how often it was seen."""
    found: Counter[str] = Counter()
    for stack, count in profile.samples:
        names = (one_line(frame.name).replace(";", ",") for frame in _names(stack))
        found[";".join(names)] += count
    return "".join(f"{names} {count}\n" for names, count in sorted(found.items()))


def json(profile: Profile) -> dict[str, Any]:
    """Return the shares; stacks are in speedscope's format."""
    return {
        "schema": "idoldbg.profile/1",
        "samples": profile.count,
        "interval_ns": profile.interval_ns,
        "stacks_cut": profile.cut,
        "stacks_guessed": profile.guessed,
        "contexts": [
            {"kind": context.kind.value, "name": context.name, "samples": count}
            for context, count in profile.by_context.items()
        ],
        "functions": [
            {"context": context, "name": name, "samples": count}
            for (context, name), count in profile.by_function.items()
        ],
    }
