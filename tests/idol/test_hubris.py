"""Every interface of a Hubris checkout: a local check, since nothing of Hubris is kept here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import idol
from idol.checks import CLIENT_ERRORS
from tests.tools import need


@pytest.fixture(scope="module")
def interfaces() -> list[idol.Interface]:
    folder = os.environ.get("IDOLDBG_HUBRIS")
    if not folder:
        pytest.skip("needs a checkout of oxidecomputer/hubris: IDOLDBG_HUBRIS=DIR")
    paths = sorted(p for p in Path(folder).rglob("*.id*") if p.suffix in (".idol", ".idl"))
    assert paths, f"no .idol file below {folder}"
    return [idol.parse(idol.Source(str(path), path.read_text())) for path in paths]


def test_all_are_read_and_good(interfaces: list[idol.Interface]) -> None:
    findings = [finding for interface in interfaces for finding in idol.check(interface)]
    assert not [f for f in findings if f.rule not in CLIENT_ERRORS], idol.format_diagnostics(
        findings
    )
    operations = sum(len(interface.operations) for interface in interfaces)
    print(f"{len(interfaces)} files, {operations} operations, {len(findings)} warnings")
    for interface in interfaces:
        assert [o.code for o in interface.operations] == [*range(1, len(interface.operations) + 1)]


def test_all_are_generated(interfaces: list[idol.Interface], tmp_path: Path) -> None:
    """A client is refused exactly where an operation cannot tell of server death."""
    paths = []
    for number, interface in enumerate(interfaces):
        stubs = {"server": idol.server_stub(interface)}
        if any(finding.rule in CLIENT_ERRORS for finding in idol.check(interface)):
            with pytest.raises(idol.InterfaceError):
                idol.client_stub(interface)
        else:
            stubs["client"] = idol.client_stub(interface)
        for kind, text in stubs.items():
            for operation in interface.operations:
                assert f"    {operation.name} = {operation.code},\n" in text
                assert f"fn {operation.name}(" in text
            paths.append(tmp_path / f"{number}_{kind}.rs")
            paths[-1].write_text(text)
    print(f"{len(paths)} stubs")
    rustfmt = need("rustfmt", of="rustfmt-web")
    command = [rustfmt, "--check", "--edition", "2021", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout[:5000]
