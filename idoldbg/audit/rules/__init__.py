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
    ("interface-unparsable", _ERROR, "an interface that cannot be read"),
    ("interface-unknown-field", _WARNING, "a field that Idol does not have"),
    # the debug information as a whole
    ("debug-info-missing", _ERROR, "a server or a kernel without debug information"),
    ("debug-info-damaged", _ERROR, "debug information that cannot be read"),
    # the message
    ("args-missing", _WARNING, "the message's struct is not in the debug information"),
    ("args-disagree", _ERROR, "the message's struct differs from the interface"),
    ("size-disagrees", _ERROR, "a message of another size than the image's own code says"),
    # types
    ("type-missing", _ERROR, "a type that is not in the debug information"),
    ("type-incomplete", _ERROR, "a type that is only declared"),
    ("type-ambiguous", _ERROR, "several types of one name"),
    ("variant-without-discriminant", _WARNING, "variants that memory does not tell apart"),
    ("error-code-range", _ERROR, "an error that cannot travel as a response code"),
    ("custom-serialization", _WARNING, "a type that is serialized by hand"),
    ("serialization-skips", _ERROR, "a derived serialization that leaves something out"),
    ("encoding-unsupported", _ERROR, "a type that its encoding cannot carry"),
    # the processor, and hiffy, which makes the calls
    ("processor-unsupported", _ERROR, "a build for a processor that is not an Arm"),
    ("hiffy-absent", _ERROR, "no hiffy in the image"),
    ("hiffy-incomplete", _ERROR, "a hiffy without its mailbox"),
    ("hif-version", _ERROR, "a hiffy that speaks another HIF"),
    ("hiffy-send-missing", _ERROR, "a hiffy that cannot send this"),
    ("arguments-too-large", _ERROR, "more argument bytes than hiffy can send"),
    ("reply-too-large", _ERROR, "a larger reply than hiffy can take"),
    ("lease-too-large", _ERROR, "a larger lease than hiffy can lend"),
    ("lease-shape", _ERROR, "leases that hiffy cannot lend"),
    # the application's own choices
    ("caller-restricted", _NOTE, "an operation that is closed to hiffy"),
    ("task-not-started", _NOTE, "a server that is not started at boot"),
    ("no-network-path", _NOTE, "a network that does not lead to hiffy"),
)

#: All rules by id, from the text of an interface outwards.
RULES: Final[Mapping[str, Rule]] = index_rules(__name__, _ALL)
