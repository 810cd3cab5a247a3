// "op": (
//     args: {"range": "Range"},
//     leases: {"data": (type: "[u8]", read: true, max_len: Some(64))},
//     reply: Result(ok: "()", err: Complex("ComplexError")),
//     encoding: Hubpack,
// ),

// ---- client
    /// Operation 1 of `I`, not idempotent.
    #[allow(bindings_with_variant_name)]
    pub fn op(&self, range: Range, data: &[u8]) -> Result<(), ComplexError> {
…
        #[derive(serde::Serialize, hubpack::SerializedSize)]
        struct I_op_ARGS {
            range: Range,
        }
        const IDOL_MESSAGE_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_OK_SIZE: usize = <() as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_ERROR_SIZE: usize = <ComplexError as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_REPLY_SIZE: usize = if IDOL_OK_SIZE > IDOL_ERROR_SIZE {
            IDOL_OK_SIZE
        } else {
            IDOL_ERROR_SIZE
        };
…
        if data.len() > 64 {
            panic!();
        }
        let idol_arguments = I_op_ARGS { range };
        let mut idol_message = [0u8; IDOL_MESSAGE_SIZE];
        let Ok(idol_size) = hubpack::serialize(&mut idol_message, &idol_arguments) else {
            panic!();
        };
        let idol_message = &idol_message[..idol_size];
…
        let idol_data_bytes = zerocopy::IntoBytes::as_bytes(data);
        let idol_leases = [userlib::Lease::read_only(idol_data_bytes)];
        let idol_task = self.current_id.get();
        let (idol_code, idol_size) = sys_send(
            idol_task,
            IOperation::op as u16,
            idol_message,
            &mut idol_reply,
            &idol_leases,
        );
        if idol_code != 0 {
…
                let idol_error = ComplexError::from(idol_runtime::ServerDeath);
                return Err(idol_error);
…
            let Ok((idol_error, _)) = hubpack::deserialize(&idol_reply[..idol_size]) else {
                panic!();
            };
            return Err(idol_error);
…
        Ok(())
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize, hubpack::SerializedSize)]
pub struct I_op_ARGS {
    pub range: Range,
}
…
pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match hubpack::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    arguments: (Range,),
    leases: (*const [u8],),
…
    error: ComplexError,
…
pub const OP_MSG_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
pub const OP_REPLY_SIZE: usize = <() as hubpack::SerializedSize>::MAX_SIZE;
…
            Self::op => 1,
…
        range: Range,
        data: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::R, [u8]>, 64>,
    ) -> Result<(), idol_runtime::RequestError<ComplexError>>
    where
        ComplexError: From<idol_runtime::ServerDeath>;
…
                const IDOL_ERROR_SIZE: usize = <ComplexError as hubpack::SerializedSize>::MAX_SIZE;
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_data_lease = core::num::NonZeroU32::new(64);
                let idol_data_lease =
                    idol_runtime::Leased::read_only_slice(rm.sender, 0, idol_data_lease);
                let Some(idol_data_lease) = idol_data_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_data_lease = core::convert::TryFrom::try_from(idol_data_lease);
                let Ok(idol_data_lease) = idol_data_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.range,
                    idol_data_lease,
                );
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
        range: Range,
        data: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::R, [u8]>, 64>,
    ) -> Result<(), idol_runtime::RequestError<ComplexError>> {
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
