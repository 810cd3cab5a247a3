"""Every rule of the audit, each with a page that explains it.

The page of a rule is the file `<id>.md` beside this one: what was found, what the compiler (or the
application) did, what it means for a debugger, and the change that mends it. Ids are stable:
baselines, suppressions and scripts name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from idol import findings
from idol.findings import Level, Rule, index_rules

__all__ = ["RULES", "advise"]


def advise(name: str) -> str:
    """Return what to do about the unknown id of a rule."""
    return findings.advise(name, RULES, otherwise="`idoldbg audit --explain` lists them all")


# An error: the operation cannot be called, or its answer cannot be read. A warning: it can, with a
# loss or a risk. A note: worth knowing, somebody's choice, or settled by a rule of thumb.
_ERROR, _WARNING, _NOTE = Level.ERROR, Level.WARNING, Level.NOTE

_ALL: Final = (
    # the interface's text
    Rule("interface-unparsable", _ERROR, "an interface that cannot be read"),
    Rule("interface-unknown-field", _WARNING, "a field that Idol does not have"),
    # the debug information as a whole
    Rule("debug-info-missing", _ERROR, "a server or a kernel without debug information"),
    Rule("debug-info-damaged", _ERROR, "debug information that cannot be read"),
    # the message
    Rule("args-missing", _WARNING, "the message's struct is not in the debug information"),
    Rule("args-disagree", _ERROR, "the message's struct differs from the interface"),
    Rule("size-disagrees", _ERROR, "a message of another size than the image's own code says"),
    # types
    Rule("type-missing", _ERROR, "a type that is not in the debug information"),
    Rule("type-incomplete", _ERROR, "a type that is only declared"),
    Rule("type-ambiguous", _ERROR, "several types of one name"),
    Rule("variant-without-discriminant", _WARNING, "variants that memory does not tell apart"),
    Rule("error-code-range", _ERROR, "an error that cannot travel as a response code"),
    Rule("custom-serialization", _WARNING, "a type that is serialized by hand"),
    Rule("serialization-skips", _ERROR, "a derived serialization that leaves something out"),
    Rule("encoding-unsupported", _ERROR, "a type that its encoding cannot carry"),
    # the processor, and hiffy, which makes the calls
    Rule("processor-unsupported", _ERROR, "a build for a processor that is not an Arm"),
    Rule("hiffy-absent", _ERROR, "no hiffy in the image"),
    Rule("hiffy-incomplete", _ERROR, "a hiffy without its mailbox"),
    Rule("hif-version", _ERROR, "a hiffy that speaks another HIF"),
    Rule("hiffy-send-missing", _ERROR, "a hiffy that cannot send this"),
    Rule("arguments-too-large", _ERROR, "more argument bytes than hiffy can send"),
    Rule("reply-too-large", _ERROR, "a larger reply than hiffy can take"),
    Rule("lease-too-large", _ERROR, "a larger lease than hiffy can lend"),
    Rule("lease-shape", _ERROR, "leases that hiffy cannot lend"),
    # the application's own choices
    Rule("caller-restricted", _NOTE, "an operation that is closed to hiffy"),
    Rule("task-not-started", _NOTE, "a server that is not started at boot"),
    Rule("no-network-path", _NOTE, "a network that does not lead to hiffy"),
)

#: All rules by id, from the text of an interface outwards.
RULES: Final[Mapping[str, Rule]] = index_rules(__name__, _ALL)
