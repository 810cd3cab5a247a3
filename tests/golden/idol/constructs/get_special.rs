// "op": (
//     reply: Result(
//         ok: (type: "Wrapped", recv: From("u16", Some("make_wrapped"))),
//         err: CLike("PlainError"),
//     ),
// ),

// ---- client
    pub fn op(&self) -> Result<Wrapped, PlainError> {
…
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u16,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<Wrapped>();
…
        let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
        else {
            panic!();
        };
        Ok(make_wrapped(idol_value.value))
…

// ---- server
    value: Wrapped,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<Wrapped>();
…
    ) -> Result<Wrapped, idol_runtime::RequestError<PlainError>>
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
    ) -> Result<Wrapped, idol_runtime::RequestError<PlainError>> {
…
