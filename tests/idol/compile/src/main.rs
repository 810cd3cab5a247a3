//! A server of `everything.idol` that is its own client. It is compiled, never run.
#![no_std]
#![no_main]

mod types;

mod client {
    use crate::types::*;
    include!(concat!(env!("IDOL_STUBS"), "/client.rs"));
}

mod server {
    use crate::types::*;
    include!(concat!(env!("IDOL_STUBS"), "/server.rs"));
}

use core::convert::Infallible;
use core::hint::black_box;
use idol_runtime::{Leased, LenLimit, NotificationHandler, R, RW, RequestError, W};
use types::*;
use userlib::{NotificationBits, RecvMessage, TaskId};

struct Server(u32);

impl NotificationHandler for Server {
    fn current_notification_mask(&self) -> u32 {
        0
    }
    fn handle_notification(&mut self, _: NotificationBits) {}
}

type Plain<T> = Result<T, RequestError<PlainError>>;
type Complex<T> = Result<T, RequestError<ComplexError>>;
type Sure<T> = Result<T, RequestError<Infallible>>;

impl server::InOrderEverythingImpl for Server {
    fn plain(&mut self, _: &RecvMessage, a: u32, b: i16) -> Plain<u32> {
        match a {
            0 => Err(PlainError::Bad.into()),
            _ => Ok(a.wrapping_add(b as u32)),
        }
    }
    fn names(&mut self, _: &RecvMessage, a: u32, b: i16, c: u8, d: u8, e: u16) -> Plain<u32> {
        Ok(a ^ b as u32 ^ u32::from(c) ^ u32::from(d) ^ u32::from(e))
    }
    fn received(
        &mut self,
        _: &RecvMessage,
        on: bool,
        m: Mode,
        a: Wrapped,
        b: Wrapped,
    ) -> Sure<bool> {
        Ok(on && matches!(m, Mode::Fast) && a.0 > b.0)
    }
    fn optional(&mut self, _: &RecvMessage, a: Option<Mode>, b: Option<Mode>) -> Plain<u8> {
        Ok(a.map_or(7, |mode| mode as u8) ^ b.map_or(3, |mode| mode as u8))
    }
    fn get_optional(&mut self, _: &RecvMessage) -> Sure<Option<Mode>> {
        Ok((self.0 > 7).then_some(Mode::Fast))
    }
    fn get_wide(&mut self, _: &RecvMessage, a: u8) -> Plain<Option<Mode>> {
        match a {
            0 => Err(PlainError::Bad.into()),
            1 => Ok(None),
            _ => Ok(Some(Mode::Slow)),
        }
    }
    fn get_mode(&mut self, _: &RecvMessage) -> Sure<Mode> {
        Ok(if self.0 > 5 { Mode::Slow } else { Mode::Fast })
    }
    fn get_wrapped(&mut self, _: &RecvMessage) -> Sure<Wrapped> {
        Ok(Wrapped(self.0 as u16))
    }
    fn get_special(&mut self, _: &RecvMessage) -> Plain<Wrapped> {
        Ok(Wrapped(self.0 as u16))
    }
    fn nothing(&mut self, _: &RecvMessage) -> Sure<()> {
        self.0 += 1;
        Ok(())
    }
    fn die(&mut self, _: &RecvMessage) -> Sure<()> {
        panic!()
    }
    fn lend(
        &mut self,
        _: &RecvMessage,
        n: u8,
        source: LenLimit<Leased<R, [u8]>, 512>,
        sink: Leased<W, [u16]>,
        both: LenLimit<Leased<RW, [u8]>, 65535>,
        fixed: Leased<R, [u32; 3]>,
        out: Leased<W, u64>,
        in_out: Leased<RW, u32>,
    ) -> Plain<[u8; 16]> {
        let lengths = source.len() + sink.len() + both.len();
        let fixed = fixed.read().ok_or(RequestError::went_away())?;
        let number = in_out.read().ok_or(RequestError::went_away())?;
        in_out
            .write(number + fixed[0])
            .map_err(|()| RequestError::went_away())?;
        out.write(lengths as u64)
            .map_err(|()| RequestError::went_away())?;
        Ok([n; 16])
    }
    fn lend_much(
        &mut self,
        _: &RecvMessage,
        all: LenLimit<Leased<R, [u8]>, 4294967295>,
    ) -> Sure<()> {
        self.0 += all.len() as u32;
        Ok(())
    }
    fn hub(
        &mut self,
        _: &RecvMessage,
        a: Option<u16>,
        on: bool,
        range: Range,
    ) -> Plain<Option<(f32, u64)>> {
        Ok(a.filter(|_| on)
            .map(|a| (f32::from(a), u64::from(range.high))))
    }
    fn hub_simple(&mut self, _: &RecvMessage, a: (u8, [u8; 4])) -> Sure<bool> {
        Ok(a.1.contains(&a.0))
    }
    fn hub_complex(
        &mut self,
        _: &RecvMessage,
        range: Range,
        data: LenLimit<Leased<R, [u8]>, 64>,
    ) -> Complex<()> {
        match data.len() {
            0 => Err(ComplexError::OutOf(range).into()),
            1 => Err(ComplexError::Number { number: self.0 }.into()),
            _ => Ok(()),
        }
    }
    fn hub_complex_again(&mut self, _: &RecvMessage) -> Complex<Range> {
        Ok(Range {
            low: 1,
            high: self.0,
        })
    }
    fn hub_death(&mut self, _: &RecvMessage, a: u8) -> Sure<u8> {
        Ok(a ^ self.0 as u8)
    }
    fn ssm(&mut self, _: &RecvMessage, range: Range, on: bool) -> Plain<Range> {
        if on {
            Ok(range)
        } else {
            Err(PlainError::Dead.into())
        }
    }
    fn ssm_simple(&mut self, _: &RecvMessage) -> Sure<Range> {
        Ok(Range {
            low: 0,
            high: self.0,
        })
    }
}

/// Calls every operation, so that nothing of the client is left out as unused.
fn use_client(peer: &client::Everything, number: u32) -> Result<u32, ComplexError> {
    let range = Range {
        low: 1,
        high: number,
    };
    let (mut sink, mut out, mut in_out) = ([0; 4], 0, number);
    let both: &mut [u8] = &mut [0; 8];
    let mut sum = peer.plain(number, -1).unwrap_or(0);
    sum ^= peer.names(number, 2, 3, 4, 5).unwrap_or(0);
    sum ^= u32::from(peer.received(true, Mode::Fast, Wrapped(7), Wrapped(3)));
    sum ^= peer
        .optional(None, Some(Mode::Fast))
        .map_or(0, u32::from);
    sum ^= peer.get_optional().map_or(5, |mode| mode as u32);
    sum ^= peer
        .get_wide(number as u8)
        .map_or(6, |mode| mode.map_or(4, |mode| mode as u32));
    sum ^= peer.get_mode() as u32;
    sum ^= peer.get_wrapped().map_or(0, |wrapped| u32::from(wrapped.0));
    sum ^= peer.get_special().map_or(0, |wrapped| u32::from(wrapped.0));
    peer.nothing();
    sum ^= u32::from(peer.die().is_err());
    let fixed = [1, 2, number];
    // The compiler must not know the lengths, or it leaves out the checks of them.
    let source = black_box(&[1, 2][..]);
    let lent = peer.lend(
        9,
        source,
        &mut sink,
        black_box(&mut *both),
        &fixed,
        &mut out,
        &mut in_out,
    );
    sum ^= lent.map_or(0, |bytes| u32::from(bytes[3])) ^ out as u32 ^ in_out;
    peer.lend_much(both);
    sum ^= peer
        .hub(Some(3), true, range)
        .map_or(0, |some| some.map_or(0, |pair| pair.1 as u32));
    sum ^= u32::from(peer.hub_simple((1, [1, 2, 3, 4])));
    peer.hub_complex(range, black_box(&*both))?;
    sum ^= peer.hub_complex_again()?.high;
    sum ^= peer.hub_death(3).map_or(0, u32::from);
    sum ^= peer.ssm(range, true).map_or(0, |range| range.high);
    Ok(sum ^ peer.ssm_simple().high)
}

#[unsafe(export_name = "main")]
fn main() -> ! {
    let peer = client::Everything::from(TaskId::for_index_and_gen(1, userlib::Generation::ZERO));
    let mut server = Server(0);
    let mut incoming = [0; server::INCOMING_SIZE];
    loop {
        server.0 = use_client(&peer, server.0).unwrap_or(1);
        idol_runtime::dispatch(&mut incoming, &mut server);
    }
}
