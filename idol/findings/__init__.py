"""Code shared by the linters: rules with pages, levels, and the formats that CI reads.

`idol check` and `idoldbg audit` each have a table of rules (`idol.rules`, `idoldbg.audit.rules`);
`region` says where in a text a finding is, `sarif` and `github` write findings for code scanners
and for GitHub Actions. This module itself loads nothing: compilers of a build import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from idol.near import near_misses
from idol.records import dataclass

__all__ = ["Level", "Rule", "advise", "find_near_rule", "index_rules"]

#: Least resemblance of the id of a rule that is suggested: ids have several words, of which one
#: is often all that is typed.
_RESEMBLANCE = 0.5


class Level(StrEnum):
    """Severity of a finding, worst first; the names are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return tuple(Level).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the level of its findings, from which single ones may differ, and a headline.

    Ids are stable: scripts, baselines and suppressions name them.
    """

    id: str
    level: Level
    title: str
    #: Reported on request only (`idol check --strict`): a matter of care, not of the language.
    is_strict: bool = False
    #: The package that holds the page, a file `<id>.md`.
    pages: str = ""

    @property
    def severity(self) -> Level:
        """The level, by the name that diagnostics have for it."""
        return self.level

    @property
    def page(self) -> str:
        """The explanation, as Markdown."""
        from importlib import resources  # slow to load, and rarely needed

        return resources.files(self.pages).joinpath(f"{self.id}.md").read_text(encoding="utf-8")

    def format_level(self) -> str:
        """Return the level, and the option that a strict rule needs."""
        return f"{self.level}{', --strict' if self.is_strict else ''}"

    def format_page(self) -> str:
        """Return the page with the level below its title, as `explain` prints it."""
        title, rest = self.page.split("\n", 1)
        return f"{title}\n\n({self.format_level()})\n{rest}"


def index_rules(
    pages: str, rows: Iterable[tuple[str, Level, str] | tuple[str, Level, str, bool]]
) -> Mapping[str, Rule]:
    """Return rules by id from rows of their first attributes; `pages` is the package of each."""
    return {row[0]: Rule(*row[:3], row[3:] == (True,), pages) for row in rows}


def find_near_rule(name: str, rules: Iterable[str]) -> str | None:
    """Return the id that an unknown one may have meant, or None."""
    return next(iter(near_misses(name, rules, cutoff=_RESEMBLANCE)), None)


def advise(name: str, rules: Iterable[str], *, otherwise: str) -> str:
    """Return what to do about the unknown id of a rule: a near one, or `otherwise`."""
    near = find_near_rule(name, rules)
    return f"did you mean `{near}`?" if near else otherwise
