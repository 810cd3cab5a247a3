"""Serde's encoding of the standard library's types, which cannot be derived.

From serde 1.0.229, `serde_core/src/{ser,de}/impls.rs`, all of it: a type of `core`, `alloc` or
`std` that is not in `FORMS` has no impl, so that what travels in its place was written by hand
(`#[serde(with = "…")]`). A name stands without its crate and the modules in between, which differ
between versions of Rust: `ops::Bound` is `core::ops::range::Bound<T>`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum as PlainEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from idol.records import dataclass

__all__ = ["FORMS", "MAX_TUPLE", "StdForm", "StdKind", "find_form"]

MAX_TUPLE = 16  # members of the longest tuple that serde has impls for
MAX_NANOSECONDS = 999_999_999


class StdKind(PlainEnum):
    """Kind of a type's encoding."""

    #: Field after field, variants in the order of their declaration: as a derived impl does.
    WALK = "walk"
    #: Only these fields, in this order; the rest stays behind and is zero at the other end.
    FIELDS = "fields"
    #: Variants are numbered in this order.
    VARIANTS = "variants"
    #: A bool that lies in an integer.
    BOOL = "bool"
    #: Seconds and nanoseconds, of which those that make a second are carried.
    DURATION = "duration"
    #: Private to types of the library, which it is a part of; alone, serde has no impl for it.
    PART = "part"
    #: It has a form that these encodings lack, or none.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class StdForm:
    """Encoding of a type: `names` are fields or variants, `reason` why it has none.

    `is_text` says that encodings that call themselves human-readable get it as text instead.
    """

    kind: StdKind
    names: tuple[str, ...] = ()
    reason: str = ""
    is_text: bool = False


_WALK = StdForm(StdKind.WALK)
_PART = StdForm(StdKind.PART)
_HEAP = "what it holds lies on the heap"
_TEXT = "serde sends it as text, which this encoding does not have"
_NO_IMPL = StdForm(
    StdKind.REFUSED,
    reason="serde has no impl for it, so what travels was written by hand (`#[serde(with)]`)",
)
_INTEGERS = [f"{sign}{size}" for sign in "iu" for size in (8, 16, 32, 64, 128, "size")]
_ATOMIC = [name for name in _INTEGERS if not name.endswith("128")]


def _rows(names: Iterable[str], form: StdForm) -> dict[str, StdForm]:
    return dict.fromkeys(names, form)


def _refused(reason: str, *names: str) -> dict[str, StdForm]:
    return _rows(names, StdForm(StdKind.REFUSED, reason=reason))


FORMS: Final[Mapping[str, StdForm]] = MappingProxyType(
    {
        # as derived
        "option::Option": StdForm(StdKind.VARIANTS, ("None", "Some")),
        "result::Result": StdForm(StdKind.VARIANTS, ("Ok", "Err")),
        **_rows(
            (
                "marker::PhantomData",
                "cell::Cell",
                "cmp::Reverse",
                "num::Wrapping",
                "num::Saturating",
                "num::NonZero",
                "ops::Range",
                "ops::RangeFrom",
                "ops::RangeTo",
            ),
            _WALK,
        ),
        **_rows((f"num::NonZero{name.title()}" for name in _INTEGERS), _WALK),
        **_rows((f"sync::Atomic{name.title()}" for name in _ATOMIC), _WALK),
        **_rows((f"sync::Atomic<{name}>" for name in _ATOMIC), _WALK),
        # not as derived
        "ops::Bound": StdForm(StdKind.VARIANTS, ("Unbounded", "Included", "Excluded")),
        "ops::RangeInclusive": StdForm(StdKind.FIELDS, ("start", "end")),
        "cell::RefCell": StdForm(StdKind.FIELDS, ("value",)),
        "sync::Mutex": StdForm(StdKind.FIELDS, ("data",)),
        "sync::RwLock": StdForm(StdKind.FIELDS, ("data",)),
        "sync::AtomicBool": StdForm(StdKind.BOOL),
        "sync::Atomic<bool>": StdForm(StdKind.BOOL),
        "time::Duration": StdForm(StdKind.DURATION, ("secs", "nanos")),
        "net::Ipv4Addr": StdForm(StdKind.WALK, is_text=True),
        "net::Ipv6Addr": StdForm(StdKind.FIELDS, ("octets",), is_text=True),
        "net::IpAddr": StdForm(StdKind.VARIANTS, ("V4", "V6"), is_text=True),
        "net::SocketAddrV4": StdForm(StdKind.FIELDS, ("ip", "port"), is_text=True),
        "net::SocketAddrV6": StdForm(StdKind.FIELDS, ("ip", "port"), is_text=True),
        "net::SocketAddr": StdForm(StdKind.VARIANTS, ("V4", "V6"), is_text=True),
        # what those above are made of
        "cell::UnsafeCell": _PART,
        "num::Nanoseconds": _PART,
        "time::Nanoseconds": _PART,
        **_rows((f"num::NonZero{name.title()}Inner" for name in _INTEGERS), _PART),
        **_rows((f"sync::Align{size}" for size in (1, 2, 4, 8, 16)), _PART),
        # a form that is not for fixed sizes, or that is not in the value's own bytes
        **_refused(
            _HEAP,
            "boxed::Box",
            "rc::Rc",
            "rc::Weak",
            "sync::Arc",
            "sync::Weak",
            "borrow::Cow",
            "vec::Vec",
            "collections::BinaryHeap",
            "collections::BTreeMap",
            "collections::BTreeSet",
            "collections::HashMap",
            "collections::HashSet",
            "collections::LinkedList",
            "collections::VecDeque",
            "string::String",
            "ffi::CString",
            "ffi::OsString",
            "path::PathBuf",
        ),
        **_refused(_TEXT, "fmt::Arguments", "ffi::CStr", "ffi::OsStr", "path::Path"),
        **_refused("only an operating system knows what it counts from", "time::SystemTime"),
    }
)
"""Every impl of serde's for a type with a path; numbers, tuples, arrays have none to look up."""

_CRATES = ("core::", "alloc::", "std::")
_BEHIND_POINTER = StdForm(
    StdKind.REFUSED, reason="what it refers to lies elsewhere, and would travel with a length"
)


@lru_cache(maxsize=4096)
def find_form(name: str) -> StdForm | None:
    """Find how a type travels by its full name; None for those of other crates."""
    if name.startswith(("&str", "&mut str", "&[", "&mut [")):
        return _BEHIND_POINTER
    if not name.startswith(_CRATES):
        return None
    head, bracket, arguments = name.partition("<")
    _, *modules = head.split("::")
    if len(modules) < 2:
        return _NO_IMPL
    key = f"{modules[0]}::{modules[-1]}"
    return FORMS.get(f"{key}{bracket}{arguments}") or FORMS.get(key) or _NO_IMPL
