// "op": (
//     args: {"a": "(u8, [u8; 4])"},
//     reply: Simple("bool"),
//     idempotent: true,
//     encoding: Hubpack,
// ),

// ---- client
    pub fn op(&self, a: (u8, [u8; 4])) -> bool {
…
        #[derive(serde::Serialize, hubpack::SerializedSize)]
        struct I_op_ARGS {
            a: (u8, [u8; 4]),
        }
        const IDOL_MESSAGE_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_REPLY_SIZE: usize = <bool as hubpack::SerializedSize>::MAX_SIZE;
…
        let idol_arguments = I_op_ARGS { a };
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
            let Ok((idol_value, _)) = hubpack::deserialize(&idol_reply[..idol_size]) else {
                panic!();
            };
            return idol_value;
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize, hubpack::SerializedSize)]
pub struct I_op_ARGS {
    pub a: (u8, [u8; 4]),
}
…
pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match hubpack::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    value: bool,
…
    arguments: ((u8, [u8; 4]),),
…
pub const OP_MSG_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
pub const OP_REPLY_SIZE: usize = <bool as hubpack::SerializedSize>::MAX_SIZE;
…
        a: (u8, [u8; 4]),
    ) -> Result<bool, idol_runtime::RequestError<core::convert::Infallible>>;
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_result = <IdolServer as InOrderIImpl>::op(self.1, rm, idol_arguments.a);
…
                    Ok(idol_value) => {
                        let mut idol_reply = [0u8; OP_REPLY_SIZE];
                        let Ok(idol_size) = hubpack::serialize(&mut idol_reply, &idol_value) else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 0, &idol_reply[..idol_size]);
…
