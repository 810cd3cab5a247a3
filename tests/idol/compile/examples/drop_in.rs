//! Crates that were written for the upstream generator, one a module: with what they import for
//! its stubs, and without what its stubs bring in. It is checked, never linked.
#![no_std]
#![deny(warnings)]

/// What an API crate and its server say besides their types.
pub mod types {
    #[derive(Copy, Clone, Debug, Eq, PartialEq, userlib::FromPrimitive, counters::Count)]
    #[repr(u32)]
    pub enum StepError {
        Dead = 1,
    }

    impl TryFrom<u32> for StepError {
        type Error = ();
        fn try_from(code: u32) -> Result<Self, ()> {
            use userlib::FromPrimitive;
            Self::from_u32(code).ok_or(())
        }
    }

    impl From<StepError> for u16 {
        fn from(error: StepError) -> Self {
            error as u16
        }
    }

    impl idol_runtime::IHaveConsideredServerDeathWithThisErrorType for StepError {}
}

/// As most API crates of Hubris.
pub mod imports_the_function {
    use crate::types::StepError;
    use userlib::sys_send;

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));
}

/// As `drv/sprot-api` and `drv/stm32xx-sys-api`: the crate's own code needs the trait.
pub mod uses_the_trait {
    use crate::types::StepError;
    use userlib::sys_send;

    impl Step {
        pub fn twice(&self) -> u8 {
            self.step(1).ok().unwrap_lite() + self.step(2).ok().unwrap_lite()
        }
    }

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));
}

/// As `task/sensor-api`: everything, for the stub alone.
pub mod imports_everything {
    use crate::types::StepError;
    use userlib::*;

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));
}

/// The same, behind the stub, and the trait as well.
pub mod imports_everything_later {
    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));

    use crate::types::*;
    use userlib::*;

    pub fn first(step: &Step, task: TaskId) -> u8 {
        let other = Step::from(task);
        step.step(0).or(other.step(0)).ok().unwrap_lite()
    }
}

/// Private modules see what their parent has in scope.
pub mod has_a_child {
    use crate::types::StepError;
    use userlib::sys_send;

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));

    pub mod by_name {
        use super::{Step, UnwrapLite};

        pub fn ask(step: &Step) -> u8 {
            step.step(0).ok().unwrap_lite()
        }
    }

    pub mod by_glob {
        use super::*;

        pub fn ask(step: &Step) -> u8 {
            step.step(0).ok().unwrap_lite()
        }
    }
}

/// What upstream does not allow: no import, both imports, two stubs in one module.
pub mod imports_nothing {
    use crate::types::StepError;

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));
}

pub mod imports_both {
    use crate::types::StepError;
    use userlib::{UnwrapLite, sys_send};

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));

    pub fn ask(step: &Step) -> u8 {
        step.step(0).ok().unwrap_lite()
    }
}

pub mod has_two_stubs {
    use crate::types::StepError;
    use userlib::sys_send;

    include!(concat!(env!("IDOL_STUBS"), "/step_client.rs"));
    include!(concat!(env!("IDOL_STUBS"), "/stride_server.rs"));
}

/// Servers: the stub brings the trait, whether or not the module has all of `userlib`.
pub mod server {
    use crate::types::StepError;

    include!(concat!(env!("IDOL_STUBS"), "/step_server.rs"));

    pub fn size(message: Option<&[u8]>) -> usize {
        message.unwrap_lite().len() + INCOMING_SIZE
    }
}

pub mod server_with_everything {
    use crate::types::StepError;
    use idol_runtime::{NotificationHandler, RequestError};
    use userlib::*;

    include!(concat!(env!("IDOL_STUBS"), "/step_server.rs"));

    pub struct Server;

    impl NotificationHandler for Server {
        fn current_notification_mask(&self) -> u32 {
            0
        }
        fn handle_notification(&mut self, _: NotificationBits) {}
    }

    impl InOrderStepImpl for Server {
        fn step(&mut self, _: &RecvMessage, by: u8) -> Result<u8, RequestError<StepError>> {
            Ok(by.checked_add(1).unwrap_lite())
        }
    }
}

/// Names as in `names.idol`, in scope with what they could be mistaken for.
#[allow(non_snake_case)]
pub mod names {
    pub mod types {
        use hubpack::SerializedSize;
        use serde::{Deserialize, Serialize};
        use userlib::FromPrimitive;
        use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

        macro_rules! with_variants {
            ($($attribute:meta),*; $name:ident) => {
                #[allow(non_camel_case_types)]
                #[derive($($attribute),*, Copy, Clone)]
                #[repr(u8)]
                pub enum $name {
                    value, error, result, reply, code, size, task, arguments, message, generation,
                    sender, event, token, leases, other, low, val, r, v, err, rc, len, e, f, x,
                }
            };
        }

        with_variants!(IntoBytes, Immutable, FromPrimitive; Value);
        with_variants!(Serialize, Deserialize, SerializedSize; Packed);
        with_variants!(Serialize, Deserialize, SerializedSize, counters::Count; S);

        impl From<idol_runtime::ServerDeath> for S {
            fn from(_: idol_runtime::ServerDeath) -> Self {
                Self::error
            }
        }

        #[allow(non_camel_case_types)]
        #[derive(Copy, Clone, FromPrimitive, counters::Count)]
        #[repr(u16)]
        pub enum Error {
            error = 1,
            code = 2,
        }

        impl TryFrom<u32> for Error {
            type Error = ();
            fn try_from(number: u32) -> Result<Self, ()> {
                Self::from_u32(number).ok_or(())
            }
        }

        impl From<Error> for u16 {
            fn from(from: Error) -> Self {
                from as u16
            }
        }

        impl idol_runtime::IHaveConsideredServerDeathWithThisErrorType for Error {}

        #[derive(Copy, Clone, IntoBytes, Immutable, FromBytes, KnownLayout)]
        #[repr(C)]
        pub struct Wrapped(pub u16);

        pub const REPLY_SIZE: usize = 3;
        pub const ERROR_SIZE: usize = 5;

        pub fn r#use(number: u16) -> Wrapped {
            Wrapped(number)
        }
        pub use r#use as reply;
        pub use r#use as arguments;
        pub use r#use as value_of;
    }

    macro_rules! with_types {
        ($name:ident, $file:literal) => {
            pub mod $name {
                use super::types::*;
                include!(concat!(env!("IDOL_STUBS"), "/", $file, ".rs"));
            }
        };
    }

    with_types!(client, "names_client");
    with_types!(counted_client, "names_counted_client");
    with_types!(server, "names_server");
    with_types!(counted_server, "names_counted_server");
    with_types!(pipelined, "names_pipelined");

    /// With constants that have the names of variables, as `use Value::*` brings them: nothing of
    /// a stub may be taken for one of these.
    #[allow(non_upper_case_globals)]
    pub mod constants {
        pub const result: u32 = 1;
        pub const size: u32 = 1;
        pub const task: u32 = 1;
        pub const message: u32 = 1;
        pub const generation: u32 = 1;
        pub const sender: u32 = 1;
        pub const event: u32 = 1;
        pub const token: u32 = 1;
        pub const index: u32 = 1;
        pub const largest: u32 = 1;
        pub const sizes: u32 = 1;
        pub const v: u32 = 1;
        pub const r: u32 = 1;
        pub const e: u32 = 1;
        pub const val: u32 = 1;
        pub const reason: u32 = 1;
        pub const client: u32 = 1;
        pub const MESSAGE_SIZE: u8 = 1;
        pub const CALLERS: u8 = 1;

        /// Names of arguments as well, which are parameters of the client's methods.
        pub mod of_arguments {
            pub const value: u32 = 1;
            pub const error: u32 = 1;
            pub const code: u32 = 1;
            pub const x: u32 = 1;
            pub const leases: u32 = 1;
        }
    }

    pub mod client_among_constants {
        #[allow(unused_imports)]
        use super::{constants::*, types::*};
        include!(concat!(env!("IDOL_STUBS"), "/names_client.rs"));
    }

    pub mod server_among_constants {
        #[allow(unused_imports)]
        use super::{constants::of_arguments::*, constants::*, types::*};
        include!(concat!(env!("IDOL_STUBS"), "/names_server.rs"));
    }
}
