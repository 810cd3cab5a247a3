"""Real Hubris images on the emulated board (`IDOLDBG_REAL`): their tasks come up healthy."""

from __future__ import annotations

from pathlib import Path

import pytest

from idoldbg.render.tasks import describe_state
from idoldbg.session import TargetOptions, open_session
from idoldbg.target.emulated.link import EmulatedLink
from idoldbg.views.tasks import read_tasks

IMAGES = {
    "archives/build-gimlet-rot-c-image-b.zip": (
        1.0,
        "jefe hiffy idle update_server syscon_driver gpio_driver sprot swd dumper sp_measure",
    ),
    "cores/hubris.core.v6": (0.3, "jefe sys usart_driver idle"),
    "cores/hubris.core.inheritance.0": (0.3, "jefe idle"),
    "cores/hubris.core.new-sensors": (0.3, "jefe idle"),
    # This one resets itself twenty times, waiting for another processor to measure it.
    "cores/hubris.core.new-compiler": (12.0, "jefe sys user_leds pong idle"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_image_boots_with_all_tasks_healthy(real_hubris: Path, name: str) -> None:
    seconds, tasks = IMAGES[name]
    with open_session(TargetOptions(archive=str(real_hubris / name), probe="emu")) as session:
        link = session.target.need(EmulatedLink)
        link.board.run(seconds)
        table = read_tasks(session.program)
        assert session.program.epitaph() is None
        assert [row.name for row in table.rows] == tasks.split()
        for row in table.rows:
            assert row.generation == 0, row
            expected = "not started" if row.name == "sp_measure" else ("recv", "notif", "RUNNING")
            assert describe_state(row).startswith(expected), row
        assert table.time_ms
