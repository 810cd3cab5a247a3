"""Target descriptions: as OpenOCD, pyOCD and QEMU write them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idoldbg.target.servers.gdb_features import (
    DEFAULT,
    MAX_DOCUMENTS,
    MAX_REGISTERS,
    FeatureError,
    Register,
    find_register,
    read_registers,
)

CORE = "".join(f'<reg name="r{n}" bitsize="32"/>' for n in range(13))
CORE += '<reg name="sp" bitsize="32"/><reg name="lr" bitsize="32"/><reg name="pc" bitsize="32"/>'


def read(**documents: str) -> dict[str, Register]:
    return read_registers(lambda name: documents[name.replace(".", "_")].encode())


def feature(registers: str) -> str:
    return f'<target><feature name="org.gnu.gdb.arm.m-profile">{registers}</feature></target>'


def test_numbers_count_on_from_the_last_that_was_given() -> None:
    found = read(
        target_xml=feature(
            CORE + '<reg name="xPSR" bitsize="32" regnum="25"/><reg name="msp" bitsize="32"/>'
            '<reg name="primask" bitsize="1"/><reg name="d0" bitsize="64" type="ieee_double"/>'
        )
    )
    assert found["pc"] == Register(15, 60, 4)
    assert found["xpsr"] == Register(25, 64, 4)
    assert found["msp"] == Register(26, 68, 4)
    assert found["primask"] == Register(27, 72, 1)
    assert found["d0"] == Register(28, 73, 8)


def test_documents_are_included_with_and_without_the_namespace() -> None:
    other = '<feature name="x"><reg name="q" bitsize="32" regnum="40"/></feature>'
    for head in ("<target>", '<target xmlns:xi="http://www.w3.org/2001/XInclude">'):
        found = read(target_xml=f'{head}<xi:include href="a.xml"/></target>', a_xml=other)
        assert found == {"q": Register(40, 0, 4)}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("", "not XML"),
        ("<target>", "not XML"),
        ('<target><xi:include href="target.xml"/></target>', f"more than {MAX_DOCUMENTS}"),
        (feature('<reg name="x"/>'), "bitsize"),
        (feature('<reg name="x" bitsize="-8"/>'), "bitsize"),
        (feature('<reg name="x" bitsize="9999"/>'), "bitsize"),
        (feature('<reg name="x" bitsize="32" regnum="99999"/>'), "regnum"),
        (feature('<reg name="x" bitsize="32"/>' * (MAX_REGISTERS + 1)), "registers"),
        ('<!DOCTYPE t [<!ENTITY a "aa">]><t>&a;</t>', "entities"),
        ("<t>" + " " * (1 << 19) + "</t>", "of more than"),
    ],
)
def test_useless_descriptions_are_refused(document: str, problem: str) -> None:
    with pytest.raises(FeatureError, match=problem):
        read(target_xml=document)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    try:
        read_registers(lambda _: document)
    except FeatureError as error:
        assert str(error)


def test_a_damaged_description_is_read_or_refused() -> None:
    whole = feature(CORE).encode()
    for end in range(0, len(whole), 7):
        with pytest.raises(FeatureError):
            read_registers(lambda _, end=end: whole[:end])  # type: ignore[misc]


def test_registers_are_found_by_our_names() -> None:
    known = {"cpsr": Register(16, 64, 4), "d3": Register(30, 80, 8), "primask": Register(31, 88, 1)}
    assert find_register(known, "xpsr") == (known["cpsr"], 0, 32)
    assert find_register(known, "s6") == (known["d3"], 0, 32)
    assert find_register(known, "S7") == (known["d3"], 32, 32)
    assert find_register(known, "primask") == (known["primask"], 0, 8)
    assert find_register(known, "s8") is None
    assert find_register(known, "r0") is None
    assert find_register(DEFAULT, "r13") == (DEFAULT["sp"], 0, 32)
