"""Our `dataclass` against the standard library's: whatever can be asked of both is the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, ClassVar

import pytest

from idol import records
from idol.records import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A class that pickle finds."""

    x: int
    y: int = 0


def classes(kind: Any, slots: bool) -> tuple[Any, Any, Any]:
    make, field = kind.dataclass(frozen=True, slots=slots), kind.field

    @make
    class Base:
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        hidden: Any = field(default=None, compare=False, repr=False)
        count: ClassVar[int] = 7

        @property
        def double(self) -> int:
            return 2 * self.a

    @make
    class Derived(Base):
        b: str = "other"
        d: int | None = None

    @make
    class Empty:
        pass

    return Base, Derived, Empty


def observe(kind: Any, slots: bool) -> list[Any]:
    """Everything that a user of the classes can see, in order."""
    base, derived, empty = classes(kind, slots)
    one, two = base(1, c=[2]), base(1, "b", [2], hidden=object())
    seen: list[Any] = [
        repr(one).split(".")[-1],
        one == two,
        one == base(2),
        one == derived(1, "b", [2]),
        one == 3,
        one.double,
        base.count,
        base(1).c is base(1).c,
        repr(derived(5)).split(".")[-1],
        derived(5).b,
        empty() == empty(),
        hash(empty()) == hash(empty()),
        hash(derived(1, "x", ())) == hash(derived(1, "x", (), hidden=3)),
        [(f.name, f.default, f.compare, f.repr) for f in dataclasses.fields(one) if f.name != "c"],
        [f.name for f in dataclasses.fields(derived)],
        dataclasses.replace(one, b="z").b,
        kind.replace(one, b="z", c=[]) == base(1, "z", []),
        kind.replace(derived(1), d=4).d,
        dataclasses.asdict(derived(1)),
        dataclasses.is_dataclass(base),
        base.__match_args__,
        derived.__dict__.get("__slots__"),
        hasattr(one, "__dict__"),
        copy.deepcopy(one) == one,
        base.__doc__ is None or base.__doc__.startswith(base.__name__),
    ]
    match one:
        case base(a, b):
            seen.append((a, b))
    for wrong in (
        lambda: base(),
        lambda: base(1, 2, 3, 4, 5),
        lambda: base(1, nothing=2),
        lambda: setattr(one, "a", 2),
        lambda: delattr(one, "a"),
        lambda: hash(one),
        lambda: kind.replace(one, nothing=2),
    ):
        try:
            wrong()
            seen.append("no error")
        except Exception as error:  # noqa: BLE001  whatever it is, both must raise it
            seen.append(type(error))
    return seen


@pytest.mark.parametrize("slots", [True, False])
def test_same_as_the_standard_library(slots: bool) -> None:
    assert observe(records, slots) == observe(dataclasses, slots)


def test_pickle_finds_it() -> None:
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)


def test_post_init_is_called() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        value: int

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError(self.value)

    assert Checked(1).value == 1
    with pytest.raises(ValueError, match="-1"):
        Checked(-1)


def test_features_of_the_standard_library_alone_are_refused() -> None:
    with pytest.raises(TypeError, match="use the standard library"):
        dataclass(slots=True)

    with pytest.raises(TypeError, match="use that of"):

        @dataclass(frozen=True, slots=True)
        class Mixed:
            value: int = dataclasses.field(default=0)


def test_mixed_bases_are_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Standard:
        a: int

    with pytest.raises(TypeError, match="another kind"):

        @dataclass(frozen=True, slots=True)
        class Mixed(Standard):
            b: int


def test_replace_takes_the_standard_librarys_classes_too() -> None:
    plain = dataclasses.make_dataclass("Plain", [("x", int), ("y", int)])
    assert records.replace(plain(1, 2), y=3) == plain(1, 3)


def test_a_class_that_is_made_often_stays_the_same() -> None:
    """After some records its `__init__` is compiled."""

    @dataclass(frozen=True, slots=True)
    class Made:
        a: int
        b: list[int] = records.field(default_factory=list)
        c: int = records.field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "c", self.a + 1)

    inits = set()
    for number in range(3 * records._COMPILED_AFTER):
        made = Made(number) if number % 2 else Made(b=[number], a=number)
        assert (made.a, made.b, made.c) == (number, [] if number % 2 else [number], number + 1)
        inits.add(Made.__init__)
    assert len(inits) == 2
    assert Made(1).b is not Made(1).b


@pytest.mark.parametrize("made_before", [0, 2 * records._COMPILED_AFTER])
def test_wrong_arguments_are_refused_at_any_time(made_before: int) -> None:
    @dataclass(frozen=True, slots=True)
    class Made:
        a: int
        b: int = 2

    for _ in range(made_before):
        Made(1)
    wrong: list[tuple[tuple[int, ...], dict[str, int], str]] = [
        ((), {}, "missing 1 required positional argument: 'a'"),
        ((1, 2, 3), {}, "takes from 2 to 3 positional arguments but 4 were given"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
        ((1,), {"x": 1}, "unexpected keyword argument 'x'"),
    ]
    for arguments, values, message in wrong:
        with pytest.raises(TypeError, match=message):
            Made(*arguments, **values)
    assert Made(5) == Made(a=5, b=2)


def test_field_names_are_those_of_the_standard_library() -> None:
    for made in classes(records, slots=True):
        assert records.field_names(made) == tuple(f.name for f in dataclasses.fields(made))
