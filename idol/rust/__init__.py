"""IR to Rust source, in the form that rustfmt would give it."""
