"""`dataclass`, `field` and `replace` as in the standard library, for programs that start quickly.

A program that makes one call and ends spends more time on making its value classes than on using
them: `dataclasses` compiles six functions for a frozen class with slots, 0.25 to 1 ms, and brings
`inspect`, another 10 ms. Here a frozen class gets the functions that all of them share, and an
`__init__` of its own when it has been called often; most are not, in one run. Everything else that
is asked of a data class (`fields`, `replace`, `asdict`, `match`, comparing, hashing, copying) works
as before, also with the standard library's functions, which load when they are used. Classes that
change are left to the standard library.
"""

from __future__ import annotations

from operator import attrgetter

from idol.hints import TYPE_CHECKING, Any, ClassVar

__all__ = ["dataclass", "field", "field_names", "replace"]

_MISSING: Any = object()  # the default of an attribute that has none
_COMPILED_AFTER = 50  # records of a class, see `_make_first_init`


class _Field:
    """One attribute; `factory` makes its default, if there is one and it is not a constant."""

    __slots__ = ("default", "factory", "in_init", "in_repr", "is_compared", "name", "type")

    def __init__(
        self,
        default: Any = _MISSING,
        factory: Any = _MISSING,
        in_init: bool = True,
        in_repr: bool = True,
        is_compared: bool = True,
    ) -> None:
        self.name, self.type = "", None
        self.default = default
        self.factory = factory
        self.in_init = in_init
        self.in_repr = in_repr
        self.is_compared = is_compared


if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, field, replace

    from idol.hints import NoReturn
else:

    def dataclass(*, frozen=False, slots=False):
        """Make a frozen data class: see the standard library's documentation."""
        if not frozen:
            raise TypeError("a data class that is not frozen: use the standard library's")
        return lambda cls: _make_record(cls, has_slots=slots)

    def field(*, default=_MISSING, default_factory=_MISSING, init=True, repr=True, compare=True):
        """Describe an attribute: see the standard library's documentation."""
        return _Field(default, default_factory, init, repr, compare)

    def replace(record, /, **changes):
        """Return a copy with other values: see the standard library's documentation."""
        fields = getattr(record, "_record_fields", None)
        if fields is None:
            from dataclasses import replace  # of the standard library's kind

            return replace(record, **changes)
        kept = {f.name: getattr(record, f.name) for f in fields if f.in_init}
        return type(record)(**{**kept, **changes})


def field_names(kind: type[Any]) -> tuple[str, ...]:
    """Return the names of a record's attributes, in order, without the standard library's help."""
    fields: tuple[_Field, ...] = kind._record_fields
    return tuple(field.name for field in fields)


class _Record:
    """Methods that all records share; a class with other bases gets copies of them."""

    __slots__ = ()
    _record_fields: ClassVar[tuple[_Field, ...]] = ()
    _record_key: ClassVar[Any]

    def __repr__(self) -> str:
        values = [f"{f.name}={getattr(self, f.name)!r}" for f in self._record_fields if f.in_repr]
        return f"{type(self).__qualname__}({', '.join(values)})"

    def __eq__(self, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._record_key(self) == self._record_key(other)

    def __hash__(self) -> int:
        return hash(self._record_key(self))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self) -> Any:
        return [getattr(self, f.name) for f in self._record_fields]

    def __setstate__(self, state: list[Any]) -> None:
        for field, value in zip(self._record_fields, state, strict=True):
            object.__setattr__(self, field.name, value)


_SHARED = {
    name: method
    for name, method in vars(_Record).items()
    if name.startswith("__") and callable(method)
}


def _make_record(cls: Any, *, has_slots: bool) -> Any:
    fields: dict[str, _Field] = {}
    for base in reversed(cls.__mro__[1:]):
        inherited = base.__dict__.get("_record_fields")
        if inherited is None and "__dataclass_fields__" in base.__dict__:
            raise TypeError(f"{cls.__name__}: {base.__name__} is another kind of data class")
        fields.update({f.name: f for f in inherited or ()})
    old_names = set(fields)
    namespace = dict(cls.__dict__)
    for name, annotation in namespace.get("__annotations__", {}).items():
        if not str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            fields[name] = _field(name, annotation, namespace.pop(name, _MISSING))
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    made = tuple(fields.values())
    compared = attrgetter(*[f.name for f in made if f.is_compared] or ["__class__"])
    bases = cls.__bases__
    if bases == (object,):
        bases = (_Record,)
    else:
        namespace = {**_SHARED, **namespace}
    if has_slots:
        namespace["__slots__"] = tuple(n for n in fields if n not in old_names)
    namespace.update(
        __match_args__=tuple(f.name for f in made if f.in_init),
        __dataclass_fields__=_LAZY_FIELDS,
        _record_fields=made,
        _record_key=staticmethod(compared),
    )
    namespace["__qualname__"] = cls.__qualname__
    record = type(cls)(cls.__name__, bases, namespace)
    if "__init__" not in namespace:
        record.__init__ = _make_first_init(record, made)
    return record


def _field(name: str, annotation: Any, default: Any) -> _Field:
    if type(default).__module__ == "dataclasses":
        raise TypeError(f"{name}: a `field` of the standard library; use that of `idol.records`")
    field = default if isinstance(default, _Field) else _Field(default)
    field.name, field.type = name, annotation
    return field


def _make_first_init(record: Any, fields: tuple[_Field, ...]) -> Callable[..., None]:
    """Return the `__init__` that a record has until it turns out to be made often.

    To compile one takes as long as 50 calls of this, and most classes are not made so often.
    """
    names = tuple(f.name for f in fields if f.in_init)
    left = _COMPILED_AFTER

    def init(self: Any, /, *args: Any, **values: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0 or not _set_all(self, fields, names, args, values):
            record.__init__ = _make_init(record)
            record.__init__(
                self, *args, **values
            )  # which also knows what to say of wrong arguments
        elif hasattr(record, "__post_init__"):
            self.__post_init__()

    init.__name__, init.__qualname__ = "__init__", f"{record.__qualname__}.__init__"
    return init


def _set_all(
    record: Any,
    fields: tuple[_Field, ...],
    names: tuple[str, ...],
    args: tuple[Any, ...],
    values: dict[str, Any],
) -> bool:
    """Set the attributes of a new record; return whether the arguments were right."""
    if len(args) > len(names) or not values.keys().isdisjoint(names[: len(args)]):
        return False
    values = {**dict(zip(names, args, strict=False)), **values}
    for field in fields:
        if field.in_init and field.name in values:
            value = values.pop(field.name)
        elif field.factory is not _MISSING:
            value = field.factory()
        elif field.default is not _MISSING:
            value = field.default
        elif field.in_init:
            return False
        else:
            continue  # `__post_init__` sets it
        object.__setattr__(record, field.name, value)
    return not values


def _make_init(record: Any) -> Callable[..., None]:
    names: dict[str, Any] = {"_missing": _MISSING}
    parameters, body = ["self"], []
    for field in record._record_fields:
        value = field.name
        names[f"_set_{value}"] = _setter(record, value)
        names[f"_default_{value}"] = field.default
        names[f"_make_{value}"] = field.factory
        has_factory = field.factory is not _MISSING
        has_default = field.default is not _MISSING
        if not field.in_init:
            if has_default or has_factory:
                made = f"_make_{value}()" if has_factory else f"_default_{value}"
                body.append(f"_set_{value}(self, {made})")
            continue
        if has_factory:
            parameters.append(f"{value}=_missing")
            value = f"_make_{value}() if {value} is _missing else {value}"
        elif has_default:
            parameters.append(f"{value}=_default_{value}")
        else:
            parameters.append(value)
        body.append(f"_set_{field.name}(self, {value})")
    if hasattr(record, "__post_init__"):
        body.append("self.__post_init__()")
    lines = "\n    ".join(body or ["pass"])
    exec(f"def __init__({', '.join(parameters)}):\n    {lines}", names)
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{record.__qualname__}.__init__"
    return init


def _setter(record: Any, name: str) -> Callable[[Any, Any], None]:
    slot: Any = getattr(record, name, None)
    if hasattr(slot, "__set__"):
        set_slot: Callable[[Any, Any], None] = slot.__set__
        return set_slot
    return lambda self, value: object.__setattr__(self, name, value)


class _LazyFields:
    """`__dataclass_fields__`, made when `fields`, `replace` or `asdict` look for it."""

    def __get__(self, _instance: Any, owner: Any) -> Any:
        import dataclasses

        described = [
            (
                f.name,
                f.type,
                dataclasses.field(
                    init=f.in_init,
                    repr=f.in_repr,
                    compare=f.is_compared,
                    **{} if f.default is _MISSING else {"default": f.default},
                    **{} if f.factory is _MISSING else {"default_factory": f.factory},
                ),
            )
            for f in owner._record_fields
        ]
        made: Any = dataclasses.make_dataclass(owner.__name__, described, frozen=True)
        owner.__dataclass_fields__ = made.__dataclass_fields__
        return owner.__dataclass_fields__


_LAZY_FIELDS = _LazyFields()
