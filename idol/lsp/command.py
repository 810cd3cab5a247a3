"""`idol lsp`: serve an editor."""

from __future__ import annotations

import argparse

from idol.cli.codes import EXIT_CODES
from idol.cli.files import HostError


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `lsp`."""
    parser = commands.add_parser(
        "lsp",
        help="serve an editor: findings, hover, completion, definitions, renaming, fixes",
        description="Serve an editor through standard input and output, by the language server "
        "protocol. Editors start this by themselves: see docs/editors.md.",
        epilog=f"{EXIT_CODES}; needs the extra `lsp`: pip install 'idoldbg[lsp]'",
    )
    parser.add_argument(
        "--strict", action="store_true", help="also report what is allowed and still rarely meant"
    )
    parser.add_argument(
        "--stdio", action="store_true", help="what some editors pass; it is the only way"
    )
    parser.set_defaults(run=_run, format="text")


def _run(arguments: argparse.Namespace) -> int:
    try:
        from idol.lsp.server import serve
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("pygls", "lsprotocol", "cattrs", "attrs", "attr"):
            raise
        raise HostError(
            f"`idol lsp` needs {package}, which is not installed: pip install 'idoldbg[lsp]'"
        ) from None
    return serve(strict=arguments.strict)
