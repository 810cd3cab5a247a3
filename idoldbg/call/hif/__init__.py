"""HIF, the programs that a debugger hands to hiffy.

A stack machine: `ops` is its table, `encode` turns programs into bytes, `results` reads what a
program leaves on the return stack. Specification: the crate `hif` 0.3.1 (`src/lib.rs`); programs
and results are postcard 0.7. What executes programs here is in the tests.
"""
