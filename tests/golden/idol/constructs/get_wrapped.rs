// "op": (
//     reply: Result(ok: (type: "Wrapped", recv: From("u16")), err: ServerDeath),
// ),

// ---- client
    /// Operation 1 of `I`, not idempotent.
    pub fn op(&self) -> Result<Wrapped, idol_runtime::ServerDeath> {
…
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u16,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<Wrapped>();
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
                return Err(idol_runtime::ServerDeath);
…
            panic!();
…
        let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
        else {
            panic!();
        };
        Ok(idol_value.value.into())
…

// ---- server
    value: Wrapped,
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<Wrapped>();
…
    ) -> Result<Wrapped, idol_runtime::RequestError<core::convert::Infallible>>;
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
