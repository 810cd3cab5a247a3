"""Every rule that Idol texts are checked against, each with a page that explains it.

The page of a rule is the file `<id>.md` beside this one: what the rule says, why, a text that
breaks it and one that does not. Ids are stable: scripts filter on them.
"""

from __future__ import annotations

from collections.abc import Mapping

from idol import findings
from idol.findings import Level, Rule, index_rules
from idol.hints import Final

__all__ = ["RULES", "advise"]


def advise(name: str) -> str:
    """Return what to do about the unknown id of a rule."""
    return findings.advise(name, RULES, otherwise="`idol explain` lists them all")


_ERROR, _WARNING, _NOTE = Level.ERROR, Level.WARNING, Level.NOTE

_ALL: Final = (
    # found while reading
    ("ron-syntax", _ERROR, "the text is not well-formed RON"),
    ("wrong-kind", _ERROR, "a value of another kind is expected here"),
    ("unknown-field", _ERROR, "a field that Idol does not have"),
    ("duplicate-field", _ERROR, "a field given twice"),
    ("missing-field", _ERROR, "a required field is missing"),
    ("unknown-variant", _ERROR, "a name that is none of the choices"),
    ("duplicate-name", _ERROR, "two operations, arguments or leases with the same name"),
    ("bad-type", _ERROR, "a type text that is not a Rust type"),
    ("max-len-range", _ERROR, "a max_len that is zero or does not fit 32 bits"),
    # found by `check`
    ("no-operations", _ERROR, "an interface without operations"),
    ("bad-name", _ERROR, "a name that Rust does not accept"),
    ("reserved-name", _ERROR, "a name that the generated code needs for itself"),
    ("colliding-names", _ERROR, "two names that become the same in generated code"),
    ("unsized-value", _ERROR, "an argument or reply whose type has no size"),
    ("no-access", _ERROR, "a lease that may be neither read nor written"),
    ("max-len-on-sized", _ERROR, "max_len on a lease whose type has a size"),
    ("complex-needs-hubpack", _ERROR, "a Complex error in another encoding than Hubpack"),
    ("recv-needs-zerocopy", _ERROR, "a recv strategy in another encoding than Zerocopy"),
    ("recv-primitive", _ERROR, "FromPrimitive of a type that is not a primitive"),
    ("zerocopy-option", _ERROR, "an Option that Zerocopy has no form for"),
    (
        "idempotent-read-write-lease",
        _ERROR,
        "an idempotent operation that lends memory for both",
    ),
    ("idempotent-server-death", _ERROR, "an idempotent operation that reports server death"),
    (
        "cannot-tell-server-death",
        _WARNING,
        "an operation that neither repeats nor can report server death",
    ),
    # found by `lint`
    ("idempotent-toggle", _WARNING, "an idempotent operation named like a step", True),
    ("idempotent-write", _NOTE, "an idempotent operation named like a transfer", True),
    ("hiffy-arguments", _WARNING, "more argument bytes than hiffy can send", True),
    ("hiffy-leases", _WARNING, "more leases than hiffy can lend", True),
    ("hiffy-read-write-lease", _WARNING, "a lease for both, which hiffy cannot lend", True),
    ("cannot-be-sent", _WARNING, "a type that its encoding cannot carry", True),
    ("redundant-recv", _NOTE, "a recv strategy that changes nothing", True),
    ("name-style", _WARNING, "a name in another style than Rust's", True),
    ("undocumented", _NOTE, "an operation without documentation", True),
)

#: All rules by id, in the order in which a text meets them.
RULES: Final[Mapping[str, Rule]] = index_rules(__name__, _ALL)
