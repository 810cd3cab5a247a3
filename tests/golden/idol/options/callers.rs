// "op": (
//     args: {"a": "u8"},
//     leases: {"data": (type: "[u8]", read: true, max_len: Some(16))},
//     reply: Result(ok: "bool", err: CLike("OpError")),
// ),

// ---- client

// ---- server
                let idol_sender = rm.sender.index();
                if idol_sender != 1 && idol_sender != 3 {
                    return Err(idol_runtime::ClientError::AccessViolation.fail());
                }
…
