"""Public names are exactly `__all__`.

A module without `__all__` is private to its package: what others may use stands in the `__all__`
of the package, or of the module that they import it from.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools import lacking

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = sorted(
    ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    for top in ("idol", "idoldbg")
    # Relative: the checkout may be in a folder of any name.
    for path in (found.relative_to(ROOT) for found in (ROOT / top).rglob("*.py"))
    if not any(part.startswith("_") and part != "__init__.py" for part in path.parts)
    and "cli" not in path.parts
    and not {"pyocd_probe", "rtos"} & set(path.parts)
)


def load(name: str) -> ModuleType:
    """Import a module; those of the extra `lsp` may lack their packages."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in ("pygls", "lsprotocol"):
            raise
        lacking(f"needs {error.name} (pip install 'idoldbg[lsp]')")


@pytest.mark.parametrize("name", PUBLIC)
def test_all_lists_the_public_names(name: str) -> None:
    module = load(name)
    declared = getattr(module, "__all__", None)
    own = {
        n
        for n, value in vars(module).items()
        if not n.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and getattr(value, "__module__", None) == name
    }
    if declared is None:
        assert module.__file__ is not None
        if own:
            is_package = Path(module.__file__).name == "__init__.py"
            assert not is_package, f"package {name} has no __all__"
        assert not own or name.count(".") != 1 or name.startswith("idol."), f"{name} has no __all__"
        return
    missing = own - set(declared)
    assert not missing, f"{name}: public but not in __all__: {sorted(missing)}"
    unknown = [n for n in declared if not hasattr(module, n)]
    assert not unknown, f"{name}: in __all__ but not defined: {unknown}"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    module = load(name)
    assert module.__doc__, f"{name} says nothing about itself"
    bare = [
        n
        for n in getattr(module, "__all__", ())
        if (inspect.isclass(getattr(module, n)) or inspect.isfunction(getattr(module, n)))
        and not (getattr(module, n).__doc__ or "").strip()
    ]
    assert not bare, f"{name}: no docstring: {bare}"
