"""Groups of commands that say which command may have been meant."""

from __future__ import annotations

import click

from idol.near import near_misses

__all__ = ["Group"]


class Group(click.Group):
    """A group whose unknown commands are answered with those that resemble them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"no command `{name}`; {self._advice(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _advice(self, ctx: click.Context, name: str) -> str:
        known = self.list_commands(ctx)
        near = near_misses(name, known)
        if near:
            return f"did you mean {' or '.join(f'`{each}`' for each in near)}?"
        interface, dot, operation = name.partition(".")
        if dot and interface.isidentifier() and operation.isidentifier() and "call" in known:
            return f"did you mean `call {name}`?"
        return f"there are {', '.join(known)}"
