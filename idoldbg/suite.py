"""Runs Hubris's own test suites, case by case, through hiffy's `RunTest`.

Hubris, `task/hiffy/src/tests.rs`: it restarts the task `suite`, has it run a case, and asks the
supervisor `runner` until that is over. A case that never ends keeps hiffy busy for ever, so the
target is reset after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from idoldbg.call.functions import Functions, call_functions, read_functions
from idoldbg.call.hiffy.functions import seal_program
from idoldbg.errors import CallTimeout, HiffyFailure, LinkTimeout, NotCallable
from idoldbg.session import Session
from idoldbg.startup import reset, wait_until_up
from idoldbg.views.backtrace import read_backtrace
from idoldbg.views.suite import SUITE, Case, CaseResult, Outcome, read_cases
from idoldbg.views.tasks import read_task

__all__ = ["Suite"]

RUN_TEST = "RunTest"
PASSED = 1  # what it returns, as an u32; 0 is a failure


class Suite:
    """The suite of one image on one target.

    Raises `NotFound` where the build has no suite, `NotCallable` where its hiffy has no `RunTest`.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cases = read_cases(session.program)
        self._functions = read_functions(session.program)
        names = [each.name for each in self._functions.signatures]
        if RUN_TEST not in names:
            raise NotCallable(
                f"this image's hiffy has no {RUN_TEST} (it has {', '.join(names) or 'none'}): "
                "build it with the feature `testsuite`"
            )
        session.caller.recovers = False  # a supervisor `runner` takes no requests from debuggers

    def run_case(self, case: Case, look: Callable[[CaseResult], None] | None = None) -> CaseResult:
        """Run one case, and reset the target where it does not end; raise what links raise.

        `look` gets the result of one that does not pass while the target is as the case left it.
        """
        program, begin_s = self.session.program, time.monotonic()
        # hiffy looks for programs often after one, else four times a second: no time of the case.
        self.session.caller.run(seal_program(self._functions.layout, [], b"", 0, 0))
        before = program.ticks()
        outcome, message = self._run(self._functions, case)
        after = program.ticks()
        ticks = None if before is None or after is None or after < before else after - before
        seconds = time.monotonic() - begin_s
        if outcome is Outcome.PASSED:
            return CaseResult(case, outcome, ticks, seconds)
        index = program.task(SUITE).index
        row, stack = read_task(program, index), read_backtrace(program, index)
        result = CaseResult(case, outcome, ticks, seconds, message, row, stack)
        if look is not None:
            look(result)
        if outcome is not Outcome.FAILED:
            reset(self.session)
            wait_until_up(self.session)
        return result

    def _run(self, functions: Functions, case: Case) -> tuple[Outcome, str]:
        call = (functions.find(RUN_TEST), (case.number,))
        try:
            (done,) = call_functions(self.session.caller, functions, [call], result_size=4)
        except (CallTimeout, LinkTimeout) as error:
            limit = f"{error.timeout_s:g} s"
            return Outcome.STUCK, f"it had not ended after {limit}; the target was reset after it"
        except HiffyFailure as error:
            return Outcome.ERROR, str(error)
        if done.error is not None:
            return Outcome.ERROR, f"it could not be started: {done.error}"
        is_passed = int.from_bytes(done.data[:4], "little") == PASSED
        return (Outcome.PASSED if is_passed else Outcome.FAILED), ""
