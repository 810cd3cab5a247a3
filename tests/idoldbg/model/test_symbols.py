"""Symbols and mangled names; the v0 examples are those of RFC 2603 and rustc-demangle."""

from __future__ import annotations

import random
import time

import pytest

from idoldbg.model.symbols import Symbol, SymbolKind, SymbolTable, demangle


@pytest.mark.parametrize(
    ("mangled", "path"),
    [
        ("main", "main"),
        (
            "_ZN4kern7startup17HUBRIS_TASK_DESCS17hdd615fef19e602b3E",
            "kern::startup::HUBRIS_TASK_DESCS",
        ),
        ("_ZN4kern4arch5arm_m5TICKS17h27e59aa3eac4424aE.0", "kern::arch::arm_m::TICKS.0"),
        ("_ZN3foo3bar17h0123456789abcdefE.llvm.1234", "foo::bar"),
        ("_ZN3foo3barE", "foo::bar"),
        (
            "_ZN84_$LT$drv_stm32xx_sys..ServerImpl$u20$as$u20$drv_stm32xx_sys..idl..InOrderSysImpl"
            "$GT$15leave_reset_raw17h7d12583a389db20dE",
            "<drv_stm32xx_sys::ServerImpl as drv_stm32xx_sys::idl::InOrderSysImpl>"
            "::leave_reset_raw",
        ),
        ("_ZN4core3ptr31drop$LT$$LP$$RF$u8$C$i8$RP$$GT$E", "core::ptr::drop<(&u8,i8)>"),
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_RNvC6_123foo3bar", "123foo::bar"),
        (
            "_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
            "utf8_idents::საჭმელად_გემრიელი_სადილი",
        ),
        ("_RNCNvC4main4main0", "main::main::{closure#0}"),
        ("_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_", "cc::spawn::{closure#0}::{closure#0}"),
        ("_RNvMs_NtCs1_4core5sliceSh3len", "<[u8]>::len"),
        ("_RNvYNtC1a1SNtC1b1T1m", "<a::S as b::T>::m"),
        ("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of<usize>"),
        ("_RMC0INtC8arrayvec8ArrayVechKj7b_E", "<arrayvec::ArrayVec<u8, 123>>"),
        ("_RINvC1a1fKb1_Kc41_Kan8_E", "a::f<true, 'A', -8>"),
        ("_RINvC1a1fTmRhQSaPoOeEE", "a::f<(u32, &u8, &mut [i8], *const u128, *mut str)>"),
        ("_RINvC1a1fFUKCmEuE", 'a::f<unsafe extern "C" fn(u32)>'),
        ("_RINvC1a1fDNtC1b1Tp1XmEL_E", "a::f<dyn b::T<X = u32>>"),
        ("_RINvC1a1fAhj4_E", "a::f<[u8; 4]>"),
    ],
)
def test_demangle(mangled: str, path: str) -> None:
    assert demangle(mangled) == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        "_ZN",
        "_ZN3foE",
        "_ZN99999999999a",
        "_R",
        "_RC",
        "_RB_",
        "_RNvB_1a",
        "_RYE",
        "_RINvC1a1fB",
    ],
)
def test_unmangled_names_stay(name: str) -> None:
    assert demangle(name) == name


def test_hostile_names_end_soon() -> None:
    start = time.process_time()
    assert demangle("_R" + "I" * 10000 + "C1aE")
    # Each tuple repeats the one before it: 2^30 items if they were written out.
    doubling = (
        "_RINvC1a1fT"
        + "TuuE"
        + "".join(f"TB{c}_B{c}_E" for c in "abcdefghijklmnopqrstuvwxyz")
        + "EE"
    )
    assert len(demangle(doubling)) < 1 << 20
    rng = random.Random(1)
    for _ in range(5000):
        demangle(
            "_R" + "".join(rng.choice("NCMXYIBTKSAvs_0123aE") for _ in range(rng.randrange(40)))
        )
        demangle("_ZN" + "".join(rng.choice("0123$.u_aE") for _ in range(rng.randrange(40))))
    assert time.process_time() - start < 30, "what explodes takes for ever"


def symbol(
    name: str, address: int, size: int = 4, *, kind: str = "function", is_global: bool = False
) -> Symbol:
    return Symbol(name, address, size, SymbolKind(kind), is_global, ".text")


def test_symbol_table() -> None:
    run = symbol("_ZN3app3run17h0123456789abcdefE", 0x100, 16)
    local, exported = symbol("main", 0x200), symbol("main", 0x300, is_global=True)
    table = SymbolTable([run, local, exported, symbol("DATA", 0x104, kind="object")])
    assert len(table) == 4 and next(iter(table)) is run
    assert table.find("main") is exported and table.find("run") is None
    assert table.find_function_at(0x10D) is run  # the Thumb bit does not count
    assert table.find_function_at(0x110) is None and table.find_function_at(0) is None
