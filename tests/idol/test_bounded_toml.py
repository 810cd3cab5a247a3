"""Limits of TOML are kept before it is parsed, and never hit what is shallow."""

from __future__ import annotations

import tomllib

import pytest

from idol.bounded_toml import MAX_DEPTH, MAX_SIZE, load_toml

KEY = ".".join("a" * MAX_DEPTH)
HIDING = [  # what could hide the dots behind it, or pass for something that does
    'x = """a\\""""\n',
    'x = """a"""""\n',
    "x = '''a'''''\n",
    "x = 'a\\'\n",
    'x = "a\\\\"\n',
    "x = 1 # '''\n",
    'x = "#"\n',
    "x = [\n1, # ]\n]\n",
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (".".join("a" * 20_000) + " = 1", "line 1: a key of more than 24 parts"),
        (" . ".join(['"a.b"'] * 20_000) + " = 1", "a key of more than 24 parts"),
        ("x = 1\n[" + ".".join("a" * 20_000) + "]", "line 2: a key of more than 24 parts"),
        ("a = [{" + ".".join("b" * 20_000) + " = 1}]", "a key of more than 24 parts"),
        ("a = " + "[" * 1000 + "]" * 1000, "line 1: more than 24 brackets deep"),
        ("a = " + "{a = " * 1000 + "1" + "}" * 1000, "line 1: more than 24 brackets deep"),
        ("#" * (MAX_SIZE + 1), f"{MAX_SIZE + 1} characters of TOML: at most {MAX_SIZE} are read"),
        ("a = " + "9" * 5000, "Exceeds the limit"),
        (f"[{'a' * 9000}]\n" * 2, "Cannot declare"),
    ],
)
def test_values_beyond_a_limit_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        load_toml(text)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("before", HIDING)
def test_strings_and_comments_hide_nothing_behind_them(before: str) -> None:
    tomllib.loads(before)  # else the case shows nothing
    with pytest.raises(ValueError, match="a key of more than 24 parts"):
        load_toml(f"{before}{KEY}.b = 1\n")
    assert load_toml(f"{before}{KEY} = 1\n") == tomllib.loads(f"{before}{KEY} = 1\n")


@pytest.mark.parametrize(
    "text",
    [
        f'x = """\n{"a." * 100}\n{"[" * 100}\n"""\n',
        f"x = '''{'[' * 100}'''\n",
        f"x = '{'.' * 100}'\n# {'.' * 100}\n",
        f'"{"." * 100}" = 1\n',
        "x = [" + "1.5, " * 1000 + "]\n",
        "[a]\n" + "".join(f"b{i} = [[1], {{c = 2.5}}]\n" for i in range(200)),
        "[[a]]\n" * 200,
        "d = 1979-05-27T07:32:00.999999Z\n",
    ],
)
def test_shallow_files_are_read_as_usual(text: str) -> None:
    assert load_toml(text) == tomllib.loads(text)
