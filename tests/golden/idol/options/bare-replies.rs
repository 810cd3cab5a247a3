// "op": (reply: Simple("bool")),

// ---- server
    fn op(&mut self, msg: &userlib::RecvMessage) -> bool;
…
                userlib::sys_reply(rm.sender, 0, zerocopy::IntoBytes::as_bytes(&idol_result));
                Ok(())
…
