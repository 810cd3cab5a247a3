"""Values from what people write: command-line strings, JSON, and plain Python data.

`syntax` reads Rust-like text and JSON into nodes, `convert` fits nodes to a type. What
`values.format_value` and `values.to_json` write is read back.
"""

from idoldbg.call.arguments.convert import ReadData, from_python, parse_value, read_source
from idoldbg.call.arguments.leases import lease_from_python, parse_lease

__all__ = [
    "ReadData",
    "from_python",
    "lease_from_python",
    "parse_lease",
    "parse_value",
    "read_source",
]
