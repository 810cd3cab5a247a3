"""Exception classes for the errors of operations, one for each variant.

`SpiError` of the target becomes a class below `OperationError`, its variants classes below that:
`except dev.Spi.errors.BadDevice`, or `except dev.Spi.exchange.Error` for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from idoldbg.device.classes import Classes, class_doc, class_name, crate_name
from idoldbg.device.names import variant_attributes
from idoldbg.errors import OperationError
from idoldbg.model.types import Type
from idoldbg.resolver import ResolvedOperation

__all__ = ["IN_AN_ERROR", "Failures", "VariantError"]


class VariantError(OperationError):
    """An operation's own error, as a Python class for its type and one below for each variant.

    `error` is what `try_` gives: a member of the error's enum, or an instance of the variant's
    class where it carries data; None for a response code that is none of the operation's errors.
    """

    _error: Any = None
    variants: ClassVar[Mapping[str, type[VariantError]]] = {}

    @property
    def error(self) -> Any:
        """The error as a Python object."""
        return self._error


IN_AN_ERROR = frozenset(dir(VariantError))
"""What exceptions have already, and no variant of an error may hide."""


class Failures:
    """Makes and keeps the exception classes of one build.

    `known` are classes that stand for error types already, by the types' full names: those of
    stubs.
    """

    def __init__(
        self, classes: Classes, known: Mapping[str, type[VariantError]] | None = None
    ) -> None:
        self._classes = classes
        self._known = dict(known or {})
        self._made: dict[Type, type[VariantError]] = {}

    def find(self, operation: ResolvedOperation) -> type[OperationError]:
        """Return the class for all errors of an operation."""
        type_ = None if operation.error is None else operation.error.type
        if type_ is None:
            return OperationError
        if type_ not in self._made:
            known = self._known.get(type_.name)
            self._made[type_] = _make(type_) if known is None else known
        return self._made[type_]

    def specific(self, operation: ResolvedOperation, error: OperationError) -> OperationError:
        """Return the same error as an instance of its variant's class."""
        base = self.find(operation)
        if not issubclass(base, VariantError):
            return error
        made = base.variants.get(error.variant or "", base)(
            error.message,
            operation=error.operation,
            variant=error.variant,
            code=error.code,
            value=error.value,
        )
        if error.value is not None:
            made._error = self._classes.to_python(error.value)
        return made


def _make(type_: Type) -> type[VariantError]:
    name, module = class_name(type_), crate_name(type_)
    base: type[VariantError] = type(
        name, (VariantError,), {"__module__": module, "__doc__": class_doc(type_)}
    )
    variants = {}
    for variant, attribute in variant_attributes(type_, IN_AN_ERROR).items():
        doc = class_doc(type_, variant)
        made = type(attribute, (base,), {"__module__": module, "__doc__": doc})
        made.__qualname__ = f"{name}.{attribute}"
        variants[variant] = made
        setattr(base, attribute, made)
    base.variants = variants
    return base
