// "op": (
//     args: {"a": "Option<u16>", "on": "bool", "range": "Range"},
//     reply: Result(ok: "Option<(f32, u64)>", err: CLike("PlainError")),
//     encoding: Hubpack,
// ),

// ---- client
    #[allow(bindings_with_variant_name)]
    pub fn op(
        &self,
        a: Option<u16>,
        on: bool,
        range: Range,
    ) -> Result<Option<(f32, u64)>, PlainError> {
…
        #[derive(serde::Serialize, hubpack::SerializedSize)]
        struct I_op_ARGS {
            a: Option<u16>,
            on: u8,
            range: Range,
        }
        const IDOL_MESSAGE_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
        const IDOL_REPLY_SIZE: usize = <Option<(f32, u64)> as hubpack::SerializedSize>::MAX_SIZE;
…
        let idol_arguments = I_op_ARGS {
            a,
            on: on as u8,
            range,
        };
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
        Ok(idol_value)
…

// ---- server
#[derive(Copy, Clone, serde::Deserialize, hubpack::SerializedSize)]
pub struct I_op_ARGS {
    pub a: Option<u16>,
    pub raw_on: u8,
    pub range: Range,
}
…
impl I_op_ARGS {
    pub fn on(&self) -> bool {
        self.raw_on != 0
    }
}

pub fn read_op_msg(bytes: &[u8]) -> Option<I_op_ARGS> {
    match hubpack::deserialize(bytes) {
        Ok((idol_arguments, _)) => Some(idol_arguments),
        Err(_) => None,
    }
…
    value: Option<(f32, u64)>,
…
    arguments: (Option<u16>, bool, Range),
…
pub const OP_MSG_SIZE: usize = <I_op_ARGS as hubpack::SerializedSize>::MAX_SIZE;
pub const OP_REPLY_SIZE: usize = <Option<(f32, u64)> as hubpack::SerializedSize>::MAX_SIZE;
…
        a: Option<u16>,
        on: bool,
        range: Range,
    ) -> Result<Option<(f32, u64)>, idol_runtime::RequestError<PlainError>>
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.a,
                    idol_arguments.on(),
                    idol_arguments.range,
                );
…
                    Ok(idol_value) => {
                        let mut idol_reply = [0u8; OP_REPLY_SIZE];
                        let Ok(idol_size) = hubpack::serialize(&mut idol_reply, &idol_value) else {
                            panic!();
                        };
                        userlib::sys_reply(rm.sender, 0, &idol_reply[..idol_size]);
…
        a: Option<u16>,
        on: bool,
        range: Range,
    ) -> Result<Option<(f32, u64)>, idol_runtime::RequestError<PlainError>> {
…
