//! Servers and clients of `styles.idol` and `uniform.idol` in every style. It is compiled, never
//! run; the order of the operations in a trait is that of the interface.
#![no_std]
#![no_main]

#[allow(dead_code)] // `everything` uses more of it
#[path = "../types.rs"]
mod types;

macro_rules! stub {
    ($name:ident, $file:literal) => {
        mod $name {
            #[allow(unused_imports)]
            use crate::types::*;
            include!(concat!(env!("IDOL_STUBS"), "/", $file, ".rs"));
        }
    };
}

stub!(client, "styles_client");
stub!(bare, "styles_bare");
stub!(pipelined, "styles_pipelined");
stub!(uniform_client, "uniform_client");
stub!(uniform, "uniform_server");
stub!(uniform_pipelined, "uniform_pipelined");

use core::hint::black_box;
use idol_runtime::{ClientError, Leased, LenLimit, NotificationHandler, R, RequestError};
use types::*;
use userlib::{NotificationBits, RecvMessage, TaskId};

/// A server in order whose methods return plain values where nothing can fail.
struct Bare(u32);

impl NotificationHandler for Bare {
    fn current_notification_mask(&self) -> u32 {
        0
    }
    fn handle_notification(&mut self, _: NotificationBits) {}
}

impl bare::InOrderStylesImpl for Bare {
    fn plain(&mut self, _: &RecvMessage, a: u32) -> Result<u32, RequestError<PlainError>> {
        if a == 0 {
            Err(PlainError::Bad.into())
        } else {
            Ok(a + self.0)
        }
    }
    fn sure(&mut self, _: &RecvMessage) -> bool {
        self.0 > 3
    }
    fn mode(&mut self, _: &RecvMessage) -> Result<Option<Mode>, RequestError<PlainError>> {
        Ok((self.0 > 9).then_some(Mode::Slow))
    }
    fn touch(&mut self, _: &RecvMessage) {
        self.0 += 1;
    }
    fn dies(&mut self, _: &RecvMessage, on: bool) -> u8 {
        self.0 as u8 + u8::from(on)
    }
    fn dies_silently(&mut self, _: &RecvMessage) {}
    fn lend(
        &mut self,
        _: &RecvMessage,
        data: LenLimit<Leased<R, [u8]>, 64>,
    ) -> Result<u32, RequestError<core::convert::Infallible>> {
        let first = data.read_at(0).ok_or(RequestError::went_away())?;
        Ok(u32::from(first))
    }
    fn hub(
        &mut self,
        _: &RecvMessage,
        range: Range,
    ) -> Result<Option<u32>, RequestError<PlainError>> {
        Ok(Some(range.high))
    }
    fn hub_complex(&mut self, _: &RecvMessage) -> Result<Range, RequestError<ComplexError>> {
        Err(ComplexError::Number { number: self.0 }.into())
    }
    fn ssm(&mut self, _: &RecvMessage) -> Range {
        Range {
            low: 0,
            high: self.0,
        }
    }
}

/// A pipelined server that keeps one caller waiting until somebody else calls.
struct Pipelined {
    waiting: Option<pipelined::Styles_plain_REPLIER>,
}

impl NotificationHandler for Pipelined {
    fn current_notification_mask(&self) -> u32 {
        0
    }
    fn handle_notification(&mut self, _: NotificationBits) {}
}

impl pipelined::PipelinedStylesImpl for Pipelined {
    fn plain(&mut self, _: &RecvMessage, replier: pipelined::Styles_plain_REPLIER, a: u32) {
        match self.waiting.replace(replier) {
            Some(first) if a == 0 => first.error(PlainError::Bad),
            Some(first) => first.reply(a),
            None => (),
        }
    }
    fn sure(&mut self, _: &RecvMessage, replier: pipelined::Styles_sure_REPLIER) {
        replier.reply(self.waiting.is_some())
    }
    fn mode(&mut self, _: &RecvMessage, replier: pipelined::Styles_mode_REPLIER) {
        replier.reply(self.waiting.as_ref().map(|_| Mode::Fast))
    }
    fn touch(&mut self, _: &RecvMessage, replier: pipelined::Styles_touch_REPLIER) {
        match self.waiting.take() {
            Some(gone) => gone.abandon(),
            None => (),
        }
        replier.reply()
    }
    fn dies(&mut self, message: &RecvMessage, replier: pipelined::Styles_dies_REPLIER, on: bool) {
        if on && replier.client() == message.sender {
            replier.reply(1)
        } // or else nobody answers, which is a panic
    }
    fn dies_silently(
        &mut self,
        _: &RecvMessage,
        replier: pipelined::Styles_dies_silently_REPLIER,
    ) {
        replier.fault(ClientError::AccessViolation)
    }
    fn lend(
        &mut self,
        _: &RecvMessage,
        replier: pipelined::Styles_lend_REPLIER,
        data: LenLimit<Leased<R, [u8]>, 64>,
    ) {
        match data.read_at(0) {
            Some(first) => replier.reply(u32::from(first)),
            None => replier.fault(ClientError::WentAway),
        }
    }
    fn hub(&mut self, _: &RecvMessage, replier: pipelined::Styles_hub_REPLIER, range: Range) {
        replier.finish(if range.low == 0 {
            Err(PlainError::Bad.into())
        } else {
            Ok(Some(range.high))
        })
    }
    fn hub_complex(&mut self, _: &RecvMessage, replier: pipelined::Styles_hub_complex_REPLIER) {
        replier.error(ComplexError::Number { number: 1 })
    }
    fn ssm(&mut self, _: &RecvMessage, replier: pipelined::Styles_ssm_REPLIER) {
        replier.reply(Range { low: 0, high: 1 })
    }
}

fn use_clients(task: TaskId) -> Result<u32, PlainError> {
    let peer = client::Styles::from(task);
    let mut sum = peer.plain(1)? + u32::from(peer.sure());
    sum ^= peer.mode()?.map_or(2, |mode| mode as u32);
    peer.touch();
    sum ^= peer.dies(true).map_or(0, u32::from);
    sum ^= u32::from(peer.dies_silently().is_err());
    sum ^= peer.lend(black_box(&[1, 2]));
    sum ^= peer.hub(Range { low: 1, high: 2 })?.unwrap_or(0);
    sum ^= peer.hub_complex().map_or(0, |range| range.high);
    sum ^= peer.ssm().high;
    let peer = uniform_client::Uniform::from(task);
    peer.act(&mut [0; 4])?;
    Ok(sum ^ peer.look(1)?)
}

#[unsafe(export_name = "main")]
fn main() -> ! {
    let task = TaskId::for_index_and_gen(1, userlib::Generation::ZERO);
    let mut bare = Bare(0);
    let mut pipelined = Pipelined { waiting: None };
    let mut failing = uniform::FailServer::new(PlainError::Bad);
    let mut failing_later = uniform_pipelined::FailServer::new(PlainError::Dead);
    let mut incoming = [0; bare::INCOMING_SIZE];
    let mut incoming_later = [0; pipelined::INCOMING_SIZE];
    let mut incoming_to_fail = [0; uniform::INCOMING_SIZE];
    let mut incoming_to_fail_later = [0; uniform_pipelined::INCOMING_SIZE];
    loop {
        bare.0 = use_clients(task).unwrap_or(1);
        idol_runtime::dispatch(&mut incoming, &mut bare);
        idol_runtime::dispatch(&mut incoming_later, &mut pipelined);
        idol_runtime::dispatch(&mut incoming_to_fail, &mut failing);
        idol_runtime::dispatch(&mut incoming_to_fail_later, &mut failing_later);
    }
}
