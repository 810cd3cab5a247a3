"""A program that is missing: skipped on a developer's machine, a failure where `CI` is set."""

from __future__ import annotations

import pytest

from tests.tools import need


@pytest.mark.parametrize("value", [None, "", "false", "0"])
def test_a_developer_may_lack_it(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
    with pytest.raises(
        pytest.skip.Exception, match=r"needs no-such-program .Debian: apt install x"
    ):
        need("sh", "no-such-program", of="x")


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_the_gate_must_have_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="needs no-such-program"):
        need("no-such-program", of="x")
    assert need("sh", of="dash").endswith("/sh")
