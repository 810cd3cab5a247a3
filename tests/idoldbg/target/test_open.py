"""SPECs and the schemes that open them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.errors import ArgumentError
from idoldbg.target import schemes
from idoldbg.target.open import Site, find_scheme, list_schemes, spec_forms
from idoldbg.target.spec import Spec

ROOT = Path(__file__).resolve().parents[3]
FORMS = [form for scheme in list_schemes() for form in scheme.forms]


@given(st.text())
def test_any_text_is_split_and_printed_back(text: str) -> None:
    spec = Spec.parse(text)
    assert str(spec) == text
    assert Spec(spec.scheme, spec.rest) == spec
    assert ":" not in spec.scheme


@pytest.mark.parametrize(
    ("text", "scheme", "rest"),
    [
        ("emu", "emu", None),
        ("emu:", "emu", ""),
        ("remote:host:5555", "remote", "host:5555"),
        ("dump:a:b/c", "dump", "a:b/c"),
        ("", "", None),
    ],
)
def test_the_first_colon_splits(text: str, scheme: str, rest: str | None) -> None:
    assert Spec.parse(text) == Spec(scheme, rest)


def test_every_module_of_the_folder_is_a_scheme() -> None:
    """Its forms begin with its name, and each form names a target."""
    folder = Path(schemes.__file__ or "").parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names == {Spec.parse(form).scheme for form in FORMS}
    for form in FORMS:
        assert form in find_scheme(Spec.parse(form)).forms


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_on_the_page_and_in_help(form: str) -> None:
    rows = [
        r for r in (ROOT / "docs" / "commands.md").read_text().splitlines() if r.startswith("| `")
    ]
    assert any(f"`{form}`" in row.split(" | ")[0] for row in rows)
    assert form in spec_forms()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not say which target"),
        ("emu:", "does not say which target"),
        (":x", "does not say which target"),
        ("jlink", "unknown target"),
        ("jlink:1", "unknown target"),
        ("dump", "unknown target"),
        ("remote", "unknown target"),
        ("__init__", "unknown target"),
        ("../emu", "unknown target"),
        ("emu.x", "unknown target"),
        ("Emu", "unknown target"),
    ],
)
def test_unknown_targets_are_refused(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        find_scheme(Spec.parse(text))
    assert all(form in str(caught.value) for form in FORMS)


@pytest.mark.parametrize(
    ("text", "site", "knows_build"),
    [
        ("emu", Site.HERE, True),
        ("emu:desk", Site.ELSEWHERE, True),
        ("pyocd", Site.ELSEWHERE, False),
        ("pyocd:0669", Site.ELSEWHERE, False),
        ("pyocd:emu", Site.HERE, True),
        ("remote:host:1", Site.ELSEWHERE, False),
        ("dump:core", Site.FILE, True),
        ("replay:file", Site.FILE, True),
    ],
)
def test_where_a_target_is(text: str, site: Site, knows_build: bool) -> None:
    spec = Spec.parse(text)
    scheme = find_scheme(spec)
    assert scheme.site(spec) is site
    assert scheme.knows_build(spec) is knows_build


def test_knowing_the_schemes_loads_no_link() -> None:
    code = (
        "import sys\nfrom idoldbg.target.open import spec_forms\nspec_forms()\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('pyocd', 'unicorn', 'elftools')])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
