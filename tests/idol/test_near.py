"""Near-miss suggestions."""

from __future__ import annotations

from idol.near import near_misses, suggest

KNOWN = ("read_flash", "write_flash", "erase_flash", "Jefe")


def test_case_and_dashes_do_not_count() -> None:
    assert near_misses("READ-FLASH", KNOWN)[0] == "read_flash"
    assert near_misses("jefe", KNOWN) == ("Jefe",)


def test_the_nearest_comes_first_and_three_are_enough() -> None:
    many = [f"read_flash{n}" for n in range(9)]
    assert len(near_misses("read_flash", many)) == 3
    assert near_misses("read_flahs", KNOWN)[0] == "read_flash"


def test_names_that_resemble_nothing_have_no_suggestion() -> None:
    assert near_misses("zzz", KNOWN) == near_misses("", KNOWN) == ()
    assert suggest("zzz", KNOWN, otherwise="`list` shows them") == "`list` shows them"
    assert suggest("Jeff", KNOWN, otherwise="-") == "did you mean `Jefe`?"


def test_cutoff_is_the_least_resemblance() -> None:
    assert near_misses("hiffy", ["hiffy-absent"]) == ()
    assert near_misses("hiffy", ["hiffy-absent"], cutoff=0.5) == ("hiffy-absent",)


def test_long_names_are_not_compared() -> None:
    """The comparison takes the square of the length: a hostile name must not hold us up."""
    assert near_misses("a" * 201, ["a" * 200]) == near_misses("a" * 200, ["a" * 201]) == ()
    assert near_misses("a" * 200, ["a" * 199]) == ("a" * 199,)


def test_a_name_in_another_case_is_the_only_suggestion() -> None:
    assert near_misses("Tasks", ["task", "tasks"]) == ("tasks",)
