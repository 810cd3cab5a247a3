//! The types that `everything.idol` names.

use hubpack::SerializedSize;
use serde::{Deserialize, Serialize};
use userlib::FromPrimitive;
use zerocopy_derive::{Immutable, IntoBytes};

#[derive(Copy, Clone, FromPrimitive, counters::Count)]
#[repr(u32)]
pub enum PlainError {
    Bad = 1,
    Dead = 2,
}

impl TryFrom<u32> for PlainError {
    type Error = ();
    fn try_from(code: u32) -> Result<Self, ()> {
        Self::from_u32(code).ok_or(())
    }
}

impl From<PlainError> for u16 {
    fn from(error: PlainError) -> Self {
        error as u16
    }
}

impl idol_runtime::IHaveConsideredServerDeathWithThisErrorType for PlainError {}

#[derive(Copy, Clone, FromPrimitive, IntoBytes, Immutable)]
#[repr(u8)]
pub enum Mode {
    Slow = 0,
    Fast = 1,
}

#[derive(Copy, Clone, IntoBytes, Immutable)]
#[repr(C)]
pub struct Wrapped(pub u16);

impl From<u16> for Wrapped {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

pub fn make_wrapped(value: u16) -> Wrapped {
    Wrapped(value ^ 0xffff)
}

#[derive(Copy, Clone, Serialize, Deserialize, SerializedSize)]
pub struct Range {
    pub low: u8,
    pub high: u32,
}

#[derive(Copy, Clone, Serialize, Deserialize, SerializedSize, counters::Count)]
pub enum ComplexError {
    OutOf(Range),
    Number { number: u32 },
    Dead,
}

impl From<idol_runtime::ServerDeath> for ComplexError {
    fn from(_: idol_runtime::ServerDeath) -> Self {
        Self::Dead
    }
}
