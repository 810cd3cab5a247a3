// "op": (
//     args: {"a": "u8"},
//     leases: {"data": (type: "[u8]", read: true, max_len: Some(16))},
//     reply: Result(ok: "bool", err: CLike("OpError")),
// ),

// ---- client

/// What can come of calls of `I`.
#[derive(counters::Count)]
#[allow(non_camel_case_types)]
pub enum IEvent {
    op(#[count(children)] Result<(), OpError>),
}

counters::counters!(__I_CLIENT_COUNTERS, IEvent);
…
            counters::count!(__I_CLIENT_COUNTERS, IEvent::op(Err(idol_error)));
…
        counters::count!(__I_CLIENT_COUNTERS, IEvent::op(Ok(())));
…

// ---- server
/// What can come of calls of `I`.
#[derive(counters::Count)]
#[allow(non_camel_case_types)]
pub enum IEvent {
    op(#[count(children)] Result<(), idol_runtime::RequestError<OpError>>),
}

counters::counters!(__I_SERVER_COUNTERS, IEvent);

/// Owes the caller of `I.op` an answer; to drop it is a panic.
#[allow(non_camel_case_types)]
#[must_use = "the client waits until it is answered"]
pub struct I_op_REPLIER {
    client: userlib::TaskId,
}

#[allow(bindings_with_variant_name, dead_code)]
impl I_op_REPLIER {
    /// Names the task that waits.
    pub fn client(&self) -> userlib::TaskId {
        self.client
    }

    /// Answers.
    pub fn reply(self, value: bool) {
        counters::count!(__I_SERVER_COUNTERS, IEvent::op(Ok(())));
        userlib::sys_reply(self.client, 0, zerocopy::IntoBytes::as_bytes(&value));
        core::mem::forget(self);
    }

    /// Answers with the operation's own error.
    pub fn error(self, error: OpError) {
        let idol_event = Err(idol_runtime::RequestError::Runtime(error));
        counters::count!(__I_SERVER_COUNTERS, IEvent::op(idol_event));
        userlib::sys_reply(self.client, u32::from(u16::from(error)), &[]);
        core::mem::forget(self);
    }

    /// Answers with a fault of the client, which broke the rules.
    pub fn fault(self, error: idol_runtime::ClientError) {
        let idol_event = Err(idol_runtime::RequestError::Fail(error));
        counters::count!(__I_SERVER_COUNTERS, IEvent::op(idol_event));
        if let Some(idol_reason) = error.into_fault() {
            userlib::sys_reply_fault(self.client, idol_reason);
        }
        core::mem::forget(self);
    }

    /// Answers with what a method of a server in order would return.
    pub fn finish(self, result: Result<bool, idol_runtime::RequestError<OpError>>) {
        match result {
            Ok(value) => self.reply(value),
            Err(idol_runtime::RequestError::Runtime(error)) => self.error(error),
            Err(idol_runtime::RequestError::Fail(error)) => self.fault(error),
        }
    }

    /// Answers nobody: for a client that is known to be gone.
    pub fn abandon(self) {
        core::mem::forget(self);
    }
}

impl Drop for I_op_REPLIER {
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn i_op_was_not_answered() -> ! {
            // Safety: a comment to the assembler; it keeps equal functions apart.
            unsafe {
                core::arch::asm!("/* i_op_was_not_answered */");
            }
            panic!()
        }
        i_op_was_not_answered()
    }
}

…
/// A method may keep its `replier` and answer after later messages have been received. Until
/// then the client waits, and its leases can be used.
pub trait PipelinedIImpl: idol_runtime::NotificationHandler {
…
        replier: I_op_REPLIER,
…
    ) where
…
impl<IdolServer: PipelinedIImpl> idol_runtime::Server<IOperation>
…
        <IdolServer as PipelinedIImpl>::recv_source(self.1)
…
        <IdolServer as PipelinedIImpl>::closed_recv_fail(self.1)
…
                let idol_token = I_op_REPLIER { client: rm.sender };
                <IdolServer as PipelinedIImpl>::op(
                    self.1,
                    rm,
                    idol_token,
                    idol_arguments.a,
                    idol_data_lease,
                );
                Ok(())
…
impl PipelinedIImpl for FailServer {
…
        replier: I_op_REPLIER,
…
    ) {
        replier.error(self.err)
…
