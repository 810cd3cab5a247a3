"""Results as text for people or JSON for programs: pure functions, one module per form."""
