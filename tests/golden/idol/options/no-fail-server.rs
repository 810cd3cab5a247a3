// "op": (
//     args: {"a": "u8"},
//     leases: {"data": (type: "[u8]", read: true, max_len: Some(16))},
//     reply: Result(ok: "bool", err: CLike("OpError")),
// ),

// ---- client

// ---- server
