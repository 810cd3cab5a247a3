// "op": (
//     args: {"msg": "u32", "reply": "i16", "task": "u8", "code": "u8", "arguments": "u16"},
//     reply: Result(ok: "u32", err: CLike("PlainError")),
//     idempotent: true,
// ),

// ---- client
    /// Operation 1 of `I`, idempotent: sent again if the server dies.
    pub fn op(
        &self,
        msg: u32,
        reply: i16,
        task: u8,
        code: u8,
        arguments: u16,
    ) -> Result<u32, PlainError> {
…
        struct I_op_ARGS {
            msg: u32,
            reply: i16,
            task: u8,
            code: u8,
            arguments: u16,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u32,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<u32>();
…
        let idol_arguments = I_op_ARGS {
            msg,
            reply,
            task,
            code,
            arguments,
        };
…
        loop {
            let idol_task = self.current_id.get();
            let (idol_code, _) = sys_send(
                idol_task,
                IOperation::op as u16,
                zerocopy::IntoBytes::as_bytes(&idol_arguments),
                &mut idol_reply,
                &[],
            );
…
                continue;
…
            if idol_code != 0 {
                let Ok(idol_error) = core::convert::TryFrom::try_from(idol_code) else {
                    panic!();
                };
                return Err(idol_error);
            }
            let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
            else {
…
            return Ok(idol_value.value);
…

// ---- server
pub struct I_op_ARGS {
    pub msg: u32,
    pub reply: i16,
    pub task: u8,
    pub code: u8,
    pub arguments: u16,
}
…
    value: u32,
…
    arguments: (u32, i16, u8, u8, u16),
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<u32>();
…
        msg_: &userlib::RecvMessage,
        msg: u32,
        reply: i16,
        task: u8,
        code: u8,
        arguments: u16,
    ) -> Result<u32, idol_runtime::RequestError<PlainError>>;
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.msg,
                    idol_arguments.reply,
                    idol_arguments.task,
                    idol_arguments.code,
                    idol_arguments.arguments,
                );
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
        msg_: &userlib::RecvMessage,
        msg: u32,
        reply: i16,
        task: u8,
        code: u8,
        arguments: u16,
    ) -> Result<u32, idol_runtime::RequestError<PlainError>> {
…
