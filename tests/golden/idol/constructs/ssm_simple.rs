// "op": (reply: Simple("Range"), encoding: Ssmarshal, idempotent: true),

// ---- client
    pub fn op(&self) -> Range {
…
        #[derive(serde::Serialize)]
…
        const IDOL_MESSAGE_SIZE: usize = core::mem::size_of::<I_op_ARGS>();
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<Range>();
…
        let mut idol_message = [0u8; IDOL_MESSAGE_SIZE];
        let Ok(idol_size) = ssmarshal::serialize(&mut idol_message, &idol_arguments) else {
            panic!();
        };
        let idol_message = &idol_message[..idol_size];
…
            let (idol_code, idol_size) = sys_send(
…
                idol_message,
…
            let Ok((idol_value, _)) = ssmarshal::deserialize(&idol_reply[..idol_size]) else {
                panic!();
            };
            return idol_value;
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize)]
…
pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match ssmarshal::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    value: Range,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<Range>();
…
    ) -> Result<Range, idol_runtime::RequestError<core::convert::Infallible>>;
…
                    Ok(idol_value) => {
                        let mut idol_reply = [0u8; OP_REPLY_SIZE];
                        let Ok(idol_size) = ssmarshal::serialize(&mut idol_reply, &idol_value)
                        else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 0, &idol_reply[..idol_size]);
…
