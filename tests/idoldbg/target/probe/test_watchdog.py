"""Calls with a time limit."""

from __future__ import annotations

import signal
import threading

import pytest

from idoldbg.target.probe.watchdog import NoAnswer, Watchdog

LIMIT_S = 60.0  # reached by no call here


def test_results_and_errors_come_through() -> None:
    dog = Watchdog("test")
    assert dog.call(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        dog.call(lambda: 1 // 0, 5)
    with pytest.raises(SystemExit):
        dog.call(lambda: (_ for _ in ()).throw(SystemExit), 5)
    assert dog.call(lambda: None, 5) is None
    dog.stop()
    assert dog.call(lambda: 8, 5) == 8
    dog.stop()


def test_all_calls_run_in_one_thread_that_is_not_the_callers() -> None:
    """pyOCD's locks belong to a thread."""
    dog = Watchdog("test")
    names = {dog.call(lambda: threading.current_thread().name, 5) for _ in range(3)}
    assert names == {"test"}
    dog.stop()


def test_a_call_that_does_not_end_is_left_behind() -> None:
    dog, free = Watchdog("test"), threading.Event()
    with pytest.raises(NoAnswer):
        dog.call(free.wait, 0.05)
    with pytest.raises(NoAnswer) as refused:
        dog.call(lambda: 1, LIMIT_S)
    assert refused.value.limit_s == 0.05, "it did not wait again"
    dog.stop()
    free.set()


def test_an_interrupt_reaches_the_caller_and_loses_nothing() -> None:
    dog, free = Watchdog("test"), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def block() -> bool:
        signal.pthread_kill(main, signal.SIGINT)
        return free.wait(LIMIT_S)

    with pytest.raises(KeyboardInterrupt):
        dog.call(block, LIMIT_S)
    threading.Timer(0.05, free.set).start()
    assert dog.call(free.is_set, LIMIT_S), "the next call begins when the interrupted one ended"
    dog.stop()
