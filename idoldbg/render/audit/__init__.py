"""An audit's verdict for people and for programs: one module a format.

`FORMATS` names them all. Each takes a `Verdict` and a `Files`, which says what the interfaces'
texts are called in the reader's repository.
"""

from idoldbg.render.audit.files import Files

__all__ = ["FORMATS", "SUFFIXES", "Files"]

FORMATS: tuple[str, ...] = ("text", "json", "junit", "sarif", "github", "markdown", "html")

SUFFIXES = {
    ".txt": "text",
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
}
"""What the name of an output file says about its format."""
