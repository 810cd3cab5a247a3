"""HTML elements as values: whatever is not markup already is escaped on its way in."""

from __future__ import annotations

from collections.abc import Sequence

from idoldbg.render.printable import html_text

__all__ = ["Html", "el", "join"]


class Html(str):
    """Markup: a text that needs no escaping any more."""

    __slots__ = ()


def el(tag: str, /, *children: str, **attributes: str | int | bool | None) -> Html:
    """Make an element; `class_` is the attribute `class`, `data_x` is `data-x`.

    Attributes that are None or False are left out, those that are True have no value.
    """
    parts = [tag]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{html_text(str(value))}"')
    if tag in ("meta", "input", "br"):
        return Html(f"<{' '.join(parts)}>")
    return Html(f"<{' '.join(parts)}>{join(children)}</{tag}>")


def join(children: Sequence[str], separator: str = "") -> Html:
    """Put markup and text side by side."""
    done = [c if isinstance(c, Html) else html_text(c, quote=False) for c in children]
    return Html(separator.join(done))
