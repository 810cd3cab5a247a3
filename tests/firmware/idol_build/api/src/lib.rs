#![no_std]

use userlib::FromPrimitive;

#[derive(Copy, Clone, Debug, Eq, PartialEq, FromPrimitive, counters::Count)]
pub enum LightError {
    NoSuchLight = 1,
    ServerRestarted = 2,
}

idol_runtime::c_like_error!(LightError, server_death: ServerRestarted);

include!(concat!(env!("OUT_DIR"), "/client_stub.rs"));
