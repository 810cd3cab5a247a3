// "op": (
//     doc: "Says what it got.",
//     args: {
//         "mode": (
//             type: "Option<Mode>",
//             recv: FromPrimitive("u8"),
//             doc: "Nothing, or something.",
//         ),
//         "wide": (type: "core::option::Option<Mode>", recv: FromPrimitive("u32")),
//     },
//     reply: Result(ok: "u8", err: CLike("PlainError")),
// ),

// ---- client
    /// Says what it got.
    ///
    /// - `mode`: Nothing, or something.
    ///
…
    #[allow(bindings_with_variant_name)]
    pub fn op(
        &self,
        mode: Option<Mode>,
        wide: core::option::Option<Mode>,
    ) -> Result<u8, PlainError> {
…
        struct I_op_ARGS_mode {
            is_some: u8,
            value: u8,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::IntoBytes, zerocopy_derive::Immutable)]
        #[repr(C, packed)]
        struct I_op_ARGS_wide {
            is_some: u8,
            value: u32,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::IntoBytes, zerocopy_derive::Immutable)]
        #[repr(C, packed)]
        struct I_op_ARGS {
            mode: I_op_ARGS_mode,
            wide: I_op_ARGS_wide,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: u8,
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<u8>();
…
        let idol_mode_value = I_op_ARGS_mode {
            is_some: mode.is_some() as u8,
            value: mode.map_or(0, |idol| idol as u8),
        };
        let idol_wide_value = I_op_ARGS_wide {
            is_some: wide.is_some() as u8,
            value: wide.map_or(0, |idol| idol as u32),
        };
        let idol_arguments = I_op_ARGS {
            mode: idol_mode_value,
            wide: idol_wide_value,
        };
…
        let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
        else {
            panic!();
        };
        Ok(idol_value.value)
…

// ---- server
/// How `mode` travels: 0 and nothing of note, or 1 and a number.
…
pub struct I_op_ARGS_mode {
    pub is_some: u8,
    pub value: u8,
}

/// How `wide` travels: 0 and nothing of note, or 1 and a number.
#[allow(non_camel_case_types)]
#[derive(
    Copy,
    Clone,
    zerocopy_derive::FromBytes,
    zerocopy_derive::KnownLayout,
    zerocopy_derive::Immutable,
    zerocopy_derive::Unaligned,
)]
#[repr(C, packed)]
pub struct I_op_ARGS_wide {
    pub is_some: u8,
    pub value: u32,
}

#[allow(non_camel_case_types)]
#[derive(
    Copy,
    Clone,
    zerocopy_derive::FromBytes,
    zerocopy_derive::KnownLayout,
    zerocopy_derive::Immutable,
    zerocopy_derive::Unaligned,
)]
#[repr(C, packed)]
pub struct I_op_ARGS {
    pub raw_mode: I_op_ARGS_mode,
    pub raw_wide: I_op_ARGS_wide,
}

impl I_op_ARGS {
    pub fn mode(&self) -> Option<Option<Mode>> {
        match self.raw_mode.is_some {
            0 => Some(None),
            1 => userlib::FromPrimitive::from_u8(self.raw_mode.value).map(Some),
            _ => None,
        }
    }

    pub fn wide(&self) -> Option<core::option::Option<Mode>> {
        match self.raw_wide.is_some {
            0 => Some(None),
            1 => userlib::FromPrimitive::from_u32(self.raw_wide.value).map(Some),
            _ => None,
        }
    }
}
…
    value: u8,
…
    arguments: (Option<Mode>, core::option::Option<Mode>),
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<u8>();
…
    /// Says what it got.
    ///
    /// - `mode`: Nothing, or something.
…
        mode: Option<Mode>,
        wide: core::option::Option<Mode>,
    ) -> Result<u8, idol_runtime::RequestError<PlainError>>
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let Some(idol_mode_value) = idol_arguments.mode() else {
                    return Err(idol_runtime::ClientError::BadMessageContents.fail());
                };
                let Some(idol_wide_value) = idol_arguments.wide() else {
                    return Err(idol_runtime::ClientError::BadMessageContents.fail());
                };
                let idol_result =
                    <IdolServer as InOrderIImpl>::op(self.1, rm, idol_mode_value, idol_wide_value);
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
        mode: Option<Mode>,
        wide: core::option::Option<Mode>,
    ) -> Result<u8, idol_runtime::RequestError<PlainError>> {
…
