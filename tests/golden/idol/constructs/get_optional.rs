// "op": (
//     reply: Simple((type: "Option<Mode>", recv: FromPrimitive("u8"))),
//     idempotent: true,
// ),

// ---- client
    pub fn op(&self) -> Option<Mode> {
…
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY_value {
            is_some: u8,
            value: u8,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: I_op_REPLY_value,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<I_op_REPLY_value>();
…
            let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
            else {
                panic!();
            };
            let idol_value = match idol_value.value.is_some {
                0 => Some(None),
                1 => userlib::FromPrimitive::from_u8(idol_value.value.value).map(Some),
                _ => None,
            };
            let Some(idol_value) = idol_value else {
                panic!();
            };
            return idol_value;
…

// ---- server
}

/// How the reply travels: 0 and nothing of note, or 1 and a number.
#[allow(non_camel_case_types)]
#[derive(zerocopy_derive::IntoBytes, zerocopy_derive::Immutable)]
#[repr(C, packed)]
pub struct I_op_REPLY_value {
    pub is_some: u8,
    pub value: u8,
…
    value: Option<Mode>,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<I_op_REPLY_value>();
…
    ) -> Result<Option<Mode>, idol_runtime::RequestError<core::convert::Infallible>>;
…
                    Ok(idol_value) => {
                        let idol_reply = I_op_REPLY_value {
                            is_some: idol_value.is_some() as u8,
                            value: idol_value.map_or(0, |idol| idol as u8),
                        };
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_reply),
                        );
…
