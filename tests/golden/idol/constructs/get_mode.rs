// "op": (
//     reply: Simple((type: "Mode", recv: FromPrimitive("u8"))),
//     idempotent: true,
// ),

// ---- client
    pub fn op(&self) -> Mode {
…
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u8,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<Mode>();
…
            let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
            else {
                panic!();
            };
            let Some(idol_value) = userlib::FromPrimitive::from_u8(idol_value.value) else {
                panic!();
            };
            return idol_value;
…

// ---- server
    value: Mode,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<Mode>();
…
    ) -> Result<Mode, idol_runtime::RequestError<core::convert::Infallible>>;
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
