// "op": (
//     doc: "Adds.",
//     args: {"a": "u32", "b": "i16"},
//     reply: Result(ok: "u32", err: CLike("PlainError")),
// ),

// ---- client
    /// Adds.
    ///
    /// Operation 1 of `I`, not idempotent.
    pub fn op(&self, a: u32, b: i16) -> Result<u32, PlainError> {
…
        struct I_op_ARGS {
            a: u32,
            b: i16,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u32,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<u32>();
…
        let idol_arguments = I_op_ARGS { a, b };
…
        let idol_task = self.current_id.get();
        let (idol_code, _) = sys_send(
            idol_task,
            IOperation::op as u16,
            zerocopy::IntoBytes::as_bytes(&idol_arguments),
            &mut idol_reply,
            &[],
        );
        if idol_code != 0 {
…
            let Ok(idol_error) = core::convert::TryFrom::try_from(idol_code) else {
                panic!();
            };
            return Err(idol_error);
…
        let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
        else {
            panic!();
        };
        Ok(idol_value.value)
…

// ---- server
pub struct I_op_ARGS {
    pub a: u32,
    pub b: i16,
}
…
    value: u32,
…
    arguments: (u32, i16),
…
    error: PlainError,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<u32>();
…
    /// Adds.
…
        a: u32,
        b: i16,
    ) -> Result<u32, idol_runtime::RequestError<PlainError>>
    where
        PlainError: idol_runtime::IHaveConsideredServerDeathWithThisErrorType;
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.a,
                    idol_arguments.b,
                );
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
                    Err(idol_error) => Err(idol_error.map_runtime(u16::from)),
…
/// A server that answers every call with the same error.
pub struct FailServer {
    err: PlainError,
}

#[allow(dead_code)]
impl FailServer {
    pub fn new(err: PlainError) -> Self {
        Self { err }
    }
}

#[allow(bindings_with_variant_name, unused)]
impl InOrderIImpl for FailServer {
    fn op(
        &mut self,
        msg: &userlib::RecvMessage,
        a: u32,
        b: i16,
    ) -> Result<u32, idol_runtime::RequestError<PlainError>> {
        Err(self.err.into())
    }
}

impl idol_runtime::NotificationHandler for FailServer {
    fn current_notification_mask(&self) -> u32 {
        0
    }

    fn handle_notification(&mut self, _: userlib::NotificationBits) {
        unreachable!()
    }
}

…
