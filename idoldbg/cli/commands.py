"""The commands of `idoldbg`, in the sections of its help."""

from __future__ import annotations

__all__ = ["COMMANDS", "SECTIONS"]

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Calls": {
        "call": ("idoldbg.cli.call", "Make one Idol call and print the reply."),
        "list": ("idoldbg.cli.list_", "List interfaces, operations and their types."),
        "types": (
            "idoldbg.cli.types_",
            "Show how a type lies in memory, and its size on the wire.",
        ),
        "shell": ("idoldbg.cli.shell", "Start Python with the target in it, as `dev`."),
        "stubs": (
            "idoldbg.cli.stubs",
            "Write a Python package with the types of a build's interfaces.",
        ),
        "hiffy": (
            "idoldbg.cli.hiffy",
            "Call one of hiffy's own functions, or list those of the image.",
        ),
    },
    "A running target": {
        "tasks": ("idoldbg.cli.tasks", "Show the tasks and what each is doing."),
        "task": (
            "idoldbg.cli.task",
            "Hold, release, restart or fault a task, through the supervisor.",
        ),
        "diagnose": (
            "idoldbg.cli.diagnose",
            "Look for what is wrong with a target, and say what to do.",
        ),
        "registers": ("idoldbg.cli.registers", "Show the core's registers and what they point to."),
        "stackmargin": (
            "idoldbg.cli.stackmargin",
            "Show how far the stack of each task has been used.",
        ),
        "ringbuf": ("idoldbg.cli.ringbuf", "Show the ring buffers of the firmware."),
        "counters": ("idoldbg.cli.counters", "Show event counters, and who calls whom."),
        "readvar": ("idoldbg.cli.readvar", "Read statics or parts of them, or set one."),
        "vars": ("idoldbg.cli.vars_", "List the statics of a build."),
        "readmem": ("idoldbg.cli.readmem", "Read memory: bytes, with the symbols in them."),
        "writemem": ("idoldbg.cli.writemem", "Write memory, and show it before and after."),
        "map": ("idoldbg.cli.map_", "Show who may touch what memory, or what is at an address."),
        "chaos": (
            "idoldbg.cli.chaos",
            "Inject faults into an emulated board, and report those not survived.",
        ),
        "fuzz": (
            "idoldbg.cli.fuzz",
            "Make up inputs of operations, and report those that bring the firmware down.",
        ),
        "replay": (
            "idoldbg.cli.replay",
            "Open the recorded past of an emulated board, and go back in it.",
        ),
        "watch": ("idoldbg.cli.watch", "Repeat a command that reads the target's state."),
        "gdb": ("idoldbg.cli.gdb", "Start gdb with tasks as threads, on a target or a core dump."),
        "halt": ("idoldbg.cli.halt", "Halt the core, and leave it so when the command ends."),
        "resume": ("idoldbg.cli.resume", "Let a halted core run on."),
    },
    "Instruments of the emulated board": {
        "trace": ("idoldbg.cli.trace", "Show what tasks say to each other, decoded."),
        "profile": (
            "idoldbg.cli.profile",
            "Show where the board's time goes, per task, interrupt and function.",
        ),
        "coverage": (
            "idoldbg.cli.coverage",
            "Run a command, and show which lines and operations its boards executed.",
        ),
    },
    "Through hiffy's functions": {
        "gpio": ("idoldbg.cli.gpio", "Read or drive pins, through hiffy's GPIO functions."),
        "i2c": ("idoldbg.cli.i2c", "Look at I2C buses, through hiffy's functions."),
        "sensors": ("idoldbg.cli.sensors", "Show sensors and their last readings."),
    },
    "Core dumps": {
        "dump": ("idoldbg.cli.dump", "Write a core dump of a target."),
        "hydrate": (
            "idoldbg.cli.hydrate",
            "Make a core dump of what a service processor sent about a crashed task.",
        ),
    },
    "Builds": {
        "audit": ("idoldbg.cli.audit", "Check that every operation can be called and read."),
        "manifest": (
            "idoldbg.cli.manifest",
            "Show what a build says of itself: versions, tasks, devices, sensors, sockets.",
        ),
        "extract": (
            "idoldbg.cli.extract",
            "List the files of a build, or write one: to standard output, or to --output.",
        ),
        "cache": ("idoldbg.cli.cache", "Show or empty the index of archives."),
    },
    "Boards and labs": {
        "flash": ("idoldbg.cli.flash", "Program a board with a build, verify it, and see it boot."),
        "reset": ("idoldbg.cli.reset", "Reset a board and wait until it is up."),
        "probes": ("idoldbg.cli.probes", "List debug probes and emulated boards."),
        "boards": ("idoldbg.cli.boards", "List the boards that are known by name."),
        "board": ("idoldbg.cli.board", "Keep boards running, for any number of users."),
        "targets": ("idoldbg.cli.targets", "List the targets of an environment file."),
        "exec": (
            "idoldbg.cli.targets:exec_command",
            "Run a command that an environment file gives to a target.",
        ),
        "test": ("idoldbg.cli.test", "Run Hubris's own test suite on a target."),
        "farm": ("idoldbg.cli.farm", "Run tests on many boards of a labgrid lab at a time."),
        "demo": ("idoldbg.cli.demo", "Walk through the main job on an emulated board."),
    },
}
"""Name → (module, one line for the overview). Modules load when their command runs; of one that has
several commands, `module:function`."""

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
"""The same without sections."""
