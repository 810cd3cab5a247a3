// "op": (reply: Result(ok: "()", err: ServerDeath)),

// ---- client
    /// Operation 1 of `I`, not idempotent.
    pub fn op(&self) -> Result<(), idol_runtime::ServerDeath> {
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
        Ok(())
…

// ---- server
