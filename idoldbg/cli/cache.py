"""`idoldbg cache`."""

from __future__ import annotations

import click

from idoldbg.build.cache import Cache
from idoldbg.build.load import list_cached
from idoldbg.cli.groups import Group
from idoldbg.cli.options import Settings, hostwide_options
from idoldbg.cli.output import say, show
from idoldbg.render import cache as render


@click.group("cache", cls=Group)
def command() -> None:
    """Show or empty the index of archives.

    Whatever a command had to look up in an archive is kept in the user's cache directory
    ($XDG_CACHE_HOME/idoldbg, by default ~/.cache/idoldbg), so that the next one need not. Nothing
    is lost with it: it is made again. --no-cache, or IDOLDBG_NO_CACHE=1, does without.

    \b
    Examples:
      idoldbg cache list
      idoldbg cache clear
    """


@command.command("list")
@hostwide_options
def list_(settings: Settings) -> None:
    """List the archives that there is an index of, last used first."""
    cache = Cache(notify=say)
    found = list_cached(cache)
    show(
        settings,
        lambda: render.to_text(cache.directory, found),
        lambda: render.to_json(cache.directory, found),
    )


@command.command("clear")
@hostwide_options
def clear(settings: Settings) -> None:
    """Remove every index, and what is known of where archives lie."""
    cache = Cache(notify=say)
    count, size = cache.clear()
    show(
        settings,
        lambda: render.cleared_to_text(cache.directory, count, size),
        lambda: render.cleared_to_json(cache.directory, count, size),
    )
