"""`-p archive`: a build's flash as the target."""

from __future__ import annotations

import pytest

from idoldbg.cli import run
from idoldbg.errors import FaultError
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.capability import Registers, RunControl
from idoldbg.views.source import read_source


def test_flash_can_be_read_and_ram_cannot() -> None:
    with open_session(TargetOptions(probe="archive")) as session:
        archive = session.program.archive
        assert archive.image_id is not None
        assert archive.image_id_address is not None
        size = len(archive.image_id)
        assert session.link.read(archive.image_id_address, size) == archive.image_id
        with pytest.raises(FaultError, match="a build has no RAM"):
            session.link.read(0x20000000, 4)
        assert not session.target.can(Registers)
        assert not session.target.can(RunControl)
        source = read_source(session.program, session.target.source)
        assert (source.link, source.ticks, source.halted) == ("archive", None, None)
        assert source.image_id == archive.image_id.hex()


def test_the_build_is_named_by_its_own_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-p", "archive:build.zip", "tasks"]) == 2
    assert "--archive" in capsys.readouterr().err


def test_commands_that_need_a_target_report_its_lack(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-p", "archive", "reset"]) == 4
    assert "archive is a build without a target" in capsys.readouterr().err
