// "op": (
//     args: {"range": "Range", "on": "bool"},
//     reply: Result(ok: "Range", err: CLike("PlainError")),
//     encoding: Ssmarshal,
// ),

// ---- client
    #[allow(bindings_with_variant_name)]
    pub fn op(&self, range: Range, on: bool) -> Result<Range, PlainError> {
…
        #[derive(serde::Serialize)]
        struct I_op_ARGS {
            range: Range,
            on: u8,
        }
        const IDOL_MESSAGE_SIZE: usize = core::mem::size_of::<I_op_ARGS>();
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<Range>();
…
        let idol_arguments = I_op_ARGS {
            range,
            on: on as u8,
        };
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
        Ok(idol_value)
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize)]
pub struct I_op_ARGS {
    pub range: Range,
    pub raw_on: u8,
}
…
impl I_op_ARGS {
    pub fn on(&self) -> bool {
        self.raw_on != 0
    }
}

pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match ssmarshal::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    value: Range,
…
    arguments: (Range, bool),
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<Range>();
…
        range: Range,
        on: bool,
    ) -> Result<Range, idol_runtime::RequestError<PlainError>>
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.range,
                    idol_arguments.on(),
                );
…
                    Ok(idol_value) => {
                        let mut idol_reply = [0u8; OP_REPLY_SIZE];
                        let Ok(idol_size) = ssmarshal::serialize(&mut idol_reply, &idol_value)
                        else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 0, &idol_reply[..idol_size]);
…
        range: Range,
        on: bool,
    ) -> Result<Range, idol_runtime::RequestError<PlainError>> {
…
