// "op": (
//     reply: Result(ok: "Range", err: Complex("ComplexError")),
//     encoding: Hubpack,
//     idempotent: true,
// ),

// ---- client
    pub fn op(&self) -> Result<Range, ComplexError> {
…
        #[derive(serde::Serialize, hubpack::SerializedSize)]
…
        const IDOL_MESSAGE_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_OK_SIZE: usize = <Range as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_ERROR_SIZE: usize = <ComplexError as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_REPLY_SIZE: usize = if IDOL_OK_SIZE > IDOL_ERROR_SIZE {
            IDOL_OK_SIZE
        } else {
            IDOL_ERROR_SIZE
        };
…
        let mut idol_message = [0u8; IDOL_MESSAGE_SIZE];
        let Ok(idol_size) = hubpack::serialize(&mut idol_message, &idol_arguments) else {
            panic!();
        };
        let idol_message = &idol_message[..idol_size];
…
            let (idol_code, idol_size) = sys_send(
…
                idol_message,
…
            if idol_code != 0 {
                let Ok((idol_error, _)) = hubpack::deserialize(&idol_reply[..idol_size]) else {
                    panic!();
                };
                return Err(idol_error);
            }
            let Ok((idol_value, _)) = hubpack::deserialize(&idol_reply[..idol_size]) else {
                panic!();
            };
            return Ok(idol_value);
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize, hubpack::SerializedSize)]
…
pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match hubpack::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    value: Range,
…
    error: ComplexError,
…
pub const OP_MSG_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
pub const OP_REPLY_SIZE: usize = <Range as hubpack::SerializedSize>::MAX_SIZE;
…
    ) -> Result<Range, idol_runtime::RequestError<ComplexError>>;
…
                const IDOL_ERROR_SIZE: usize = <ComplexError as hubpack::SerializedSize>::MAX_SIZE;
…
                    Ok(idol_value) => {
                        let mut idol_reply = [0u8; OP_REPLY_SIZE];
                        let Ok(idol_size) = hubpack::serialize(&mut idol_reply, &idol_value) else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 0, &idol_reply[..idol_size]);
…
                    Err(idol_runtime::RequestError::Runtime(idol_error)) => {
                        let mut idol_reply = [0u8; IDOL_ERROR_SIZE];
                        let Ok(idol_size) = hubpack::serialize(&mut idol_reply, &idol_error) else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 1, &idol_reply[..idol_size]);
                        Ok(())
                    }
                    Err(idol_runtime::RequestError::Fail(idol_error)) => {
                        Err(idol_runtime::RequestError::Fail(idol_error))
                    }
…
/// A server that answers every call with the same error.
pub struct FailServer {
    err: ComplexError,
}

#[allow(dead_code)]
impl FailServer {
    pub fn new(err: ComplexError) -> Self {
        Self { err }
    }
}

#[allow(bindings_with_variant_name, unused)]
impl InOrderIImpl for FailServer {
    fn op(
        &mut self,
        msg: &userlib::RecvMessage,
    ) -> Result<Range, idol_runtime::RequestError<ComplexError>> {
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
