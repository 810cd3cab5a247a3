"""Groups of commands that say which command may have been meant."""

from __future__ import annotations

import click

from idol.near import near_misses
from idoldbg.cli import humility

__all__ = ["Group"]

MOST_LISTED = 12  # commands; the page of help has the rest


class Group(click.Group):
    """A group whose unknown commands are answered with those that resemble them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        self._refuse_humility(ctx, name, args[1:])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            advice = self._advice(ctx, name)
            ctx.fail(f"no command `{name}`{f'; {advice}' if advice else ''}")
        return super().resolve_command(ctx, args)

    def _refuse_humility(self, ctx: click.Context, name: str, rest: list[str]) -> None:
        """Answer a call as Humility has them typed with how it is typed here."""
        if name == "hiffy" and "call" in self.list_commands(ctx):
            here = humility.translate_call(rest)
            if here is not None:
                ctx.fail(f"Humility has it so; here it is `{here}`")

    def _advice(self, ctx: click.Context, name: str) -> str:
        known = self.list_commands(ctx)
        if "call" in known and (other := humility.advise(name, known)):
            return other
        near = near_misses(name, known)
        if near:
            return f"did you mean {' or '.join(f'`{each}`' for each in near)}?"
        interface, dot, operation = name.partition(".")
        if dot and interface.isidentifier() and operation.isidentifier() and "call" in known:
            return f"did you mean `call {name}`?"
        return f"there are {', '.join(known)}" if len(known) <= MOST_LISTED else ""
