// "op": (
//     args: {
//         "on": "bool",
//         "mode": (type: "Mode", recv: FromPrimitive("u8")),
//         "wrapped": (type: "Wrapped", recv: From("u16")),
//         "special": (type: "Wrapped", recv: From("u16", Some("make_wrapped"))),
//     },
//     reply: Simple("bool"),
//     idempotent: true,
// ),

// ---- client
    #[allow(bindings_with_variant_name)]
    pub fn op(&self, on: bool, mode: Mode, wrapped: Wrapped, special: Wrapped) -> bool {
…
        struct I_op_ARGS {
            on: u8,
            mode: Mode,
            wrapped: Wrapped,
            special: Wrapped,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u8,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<bool>();
…
        let idol_arguments = I_op_ARGS {
            on: on as u8,
            mode,
            wrapped,
            special,
        };
…
            let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
            else {
                panic!();
            };
            return idol_value.value != 0;
…

// ---- server
pub struct I_op_ARGS {
    pub raw_on: u8,
    pub raw_mode: u8,
    pub raw_wrapped: u16,
    pub raw_special: u16,
}

impl I_op_ARGS {
    pub fn on(&self) -> bool {
        self.raw_on != 0
    }

    pub fn mode(&self) -> Option<Mode> {
        userlib::FromPrimitive::from_u8(self.raw_mode)
    }
}
…
    value: bool,
…
    arguments: (bool, Mode, Wrapped, Wrapped),
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<bool>();
…
        on: bool,
        mode: Mode,
        wrapped: Wrapped,
        special: Wrapped,
    ) -> Result<bool, idol_runtime::RequestError<core::convert::Infallible>>;
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let Some(idol_mode_value) = idol_arguments.mode() else {
                    return Err(idol_runtime::ClientError::BadMessageContents.fail());
                };
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.on(),
                    idol_mode_value,
                    idol_arguments.raw_wrapped.into(),
                    make_wrapped(idol_arguments.raw_special),
                );
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
