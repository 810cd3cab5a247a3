"""Can every operation of a build be called, and its answer be read? And if not: why, and what then?

    report = audit(program)                 # checks: what the build lacks
    verdict = judge(report, fail_on=Level.ERROR)
    verdict.has_failed

`rules` has every rule with a page of words; `interfaces`, `messages`, `types`, `serialization`,
`sizes`, `kernel`, `hiffy`, `limits` and `callers` have the checks by subject, `checks` lists them,
`run` applies them; `coverage` is the matrix that reports show. `verdict` takes baselines and
suppressions into account, and `compare` holds one build against another.
"""

from idol.findings import Level, Rule
from idoldbg.audit.coverage import Aspect, Mark, OperationCoverage, ServerCoverage, Summary
from idoldbg.audit.finding import Finding, Role
from idoldbg.audit.rules import RULES
from idoldbg.audit.run import Audit, Progress, audit

__all__ = [
    "RULES",
    "Aspect",
    "Audit",
    "Finding",
    "Level",
    "Mark",
    "OperationCoverage",
    "Progress",
    "Role",
    "Rule",
    "ServerCoverage",
    "Summary",
    "audit",
]
