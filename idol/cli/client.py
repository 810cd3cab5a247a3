"""`idol client`: generate the Rust stubs that callers use."""

from __future__ import annotations

import argparse

from idol.cli.generate import add_generator, generate, make_options
from idol.stub import client_stub


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `client`."""
    add_generator(commands, "client").set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return generate(arguments, "client", client_stub, make_options(arguments))
