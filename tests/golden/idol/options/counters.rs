// "op": (
//     args: {"a": "u8"},
//     leases: {"data": (type: "[u8]", read: true, max_len: Some(16))},
//     reply: Result(ok: "bool", err: CLike("OpError")),
// ),

// ---- client

/// What can come of calls of `I`.
#[derive(counters::Count)]
#[allow(non_camel_case_types)]
pub enum IEvent {
    op(#[count(children)] Result<(), OpError>),
}

counters::counters!(__I_CLIENT_COUNTERS, IEvent);
…
            counters::count!(__I_CLIENT_COUNTERS, IEvent::op(Err(idol_error)));
…
        counters::count!(__I_CLIENT_COUNTERS, IEvent::op(Ok(())));
…

// ---- server
/// What can come of calls of `I`.
#[derive(counters::Count)]
#[allow(non_camel_case_types)]
pub enum IEvent {
    op(#[count(children)] Result<(), idol_runtime::RequestError<OpError>>),
}

counters::counters!(__I_SERVER_COUNTERS, IEvent);

…
                        counters::count!(__I_SERVER_COUNTERS, IEvent::op(Ok(())));
…
                    Err(idol_error) => {
                        counters::count!(__I_SERVER_COUNTERS, IEvent::op(Err(idol_error)));
                        Err(idol_error.map_runtime(u16::from))
                    }
…
