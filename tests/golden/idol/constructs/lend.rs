// "op": (
//     args: {"n": "u8"},
//     leases: {
//         "source": (type: "[u8]", read: true, max_len: Some(512)),
//         "sink": (type: "[u16]", write: true),
//         "both": (type: "[u8]", read: true, write: true, max_len: Some(65535)),
//         "fixed": (type: "[u32; 3]", read: true),
//         "out": (type: "u64", write: true),
//         "in_out": (type: "u32", read: true, write: true),
//     },
//     reply: Result(ok: "[u8; 16]", err: CLike("PlainError")),
// ),

// ---- client
    #[allow(clippy::too_many_arguments)]
    pub fn op(
        &self,
        n: u8,
        source: &[u8],
        sink: &mut [u16],
        both: &mut [u8],
        fixed: &[u32; 3],
        out: &mut u64,
        in_out: &mut u32,
    ) -> Result<[u8; 16], PlainError> {
…
        struct I_op_ARGS {
            n: u8,
        }
        #[allow(non_camel_case_types)]
        #[derive(zerocopy_derive::FromBytes)]
        #[repr(C, packed)]
        struct I_op_REPLY {
            value: [u8; 16],
        }
        const IDOL_REPLY_SIZE: usize = core::mem::size_of::<[u8; 16]>();
…
        if source.len() > 512 {
            panic!();
        }
        if both.len() > 65535 {
            panic!();
        }
        let idol_arguments = I_op_ARGS { n };
…
        let idol_source_bytes = zerocopy::IntoBytes::as_bytes(source);
        let idol_sink_bytes = zerocopy::IntoBytes::as_mut_bytes(sink);
        let idol_both_bytes = zerocopy::IntoBytes::as_mut_bytes(both);
        let idol_fixed_bytes = zerocopy::IntoBytes::as_bytes(fixed);
        let idol_out_bytes = zerocopy::IntoBytes::as_mut_bytes(out);
        let idol_in_out_bytes = zerocopy::IntoBytes::as_mut_bytes(in_out);
        let idol_leases = [
            userlib::Lease::read_only(idol_source_bytes),
            userlib::Lease::write_only(idol_sink_bytes),
            userlib::Lease::read_write(idol_both_bytes),
            userlib::Lease::read_only(idol_fixed_bytes),
            userlib::Lease::write_only(idol_out_bytes),
            userlib::Lease::read_write(idol_in_out_bytes),
        ];
…
            &idol_leases,
…
        let Ok::<I_op_REPLY, _>(idol_value) = zerocopy::FromBytes::read_from_bytes(&idol_reply)
        else {
            panic!();
        };
        Ok(idol_value.value)
…

// ---- server
pub struct I_op_ARGS {
    pub n: u8,
}
…
    value: [u8; 16],
…
    arguments: (u8,),
    leases: (
        *const [u8],
        *const [u16],
        *const [u8],
        *const [u32; 3],
        *const u64,
        *const u32,
    ),
…
pub const OP_REPLY_SIZE: usize = core::mem::size_of::<[u8; 16]>();
…
            Self::op => 6,
…
    #[allow(clippy::too_many_arguments)]
…
        n: u8,
        source: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::R, [u8]>, 512>,
        sink: idol_runtime::Leased<idol_runtime::W, [u16]>,
        both: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::RW, [u8]>, 65535>,
        fixed: idol_runtime::Leased<idol_runtime::R, [u32; 3]>,
        out: idol_runtime::Leased<idol_runtime::W, u64>,
        in_out: idol_runtime::Leased<idol_runtime::RW, u32>,
    ) -> Result<[u8; 16], idol_runtime::RequestError<PlainError>>
…
                let Some(idol_arguments) = read_op_msg(incoming) else {
…
                let idol_source_lease = core::num::NonZeroU32::new(512);
                let idol_source_lease =
                    idol_runtime::Leased::read_only_slice(rm.sender, 0, idol_source_lease);
                let Some(idol_source_lease) = idol_source_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_source_lease = core::convert::TryFrom::try_from(idol_source_lease);
                let Ok(idol_source_lease) = idol_source_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_sink_lease = idol_runtime::Leased::write_only_slice(rm.sender, 1, None);
                let Some(idol_sink_lease) = idol_sink_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_both_lease = core::num::NonZeroU32::new(65535);
                let idol_both_lease =
                    idol_runtime::Leased::read_write_slice(rm.sender, 2, idol_both_lease);
                let Some(idol_both_lease) = idol_both_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_both_lease = core::convert::TryFrom::try_from(idol_both_lease);
                let Ok(idol_both_lease) = idol_both_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_fixed_lease = idol_runtime::Leased::read_only(rm.sender, 3);
                let Some(idol_fixed_lease) = idol_fixed_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_out_lease = idol_runtime::Leased::write_only(rm.sender, 4);
                let Some(idol_out_lease) = idol_out_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_in_out_lease = idol_runtime::Leased::read_write(rm.sender, 5);
                let Some(idol_in_out_lease) = idol_in_out_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_result = <IdolServer as InOrderIImpl>::op(
                    self.1,
                    rm,
                    idol_arguments.n,
                    idol_source_lease,
                    idol_sink_lease,
                    idol_both_lease,
                    idol_fixed_lease,
                    idol_out_lease,
                    idol_in_out_lease,
                );
…
                    Ok(idol_value) => {
                        userlib::sys_reply(
                            rm.sender,
                            0,
                            zerocopy::IntoBytes::as_bytes(&idol_value),
                        );
…
        n: u8,
        source: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::R, [u8]>, 512>,
        sink: idol_runtime::Leased<idol_runtime::W, [u16]>,
        both: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::RW, [u8]>, 65535>,
        fixed: idol_runtime::Leased<idol_runtime::R, [u32; 3]>,
        out: idol_runtime::Leased<idol_runtime::W, u64>,
        in_out: idol_runtime::Leased<idol_runtime::RW, u32>,
    ) -> Result<[u8; 16], idol_runtime::RequestError<PlainError>> {
…
