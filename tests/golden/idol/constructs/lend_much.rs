// "op": (
//     leases: {"all": (type: "[u8]", read: true, max_len: Some(4294967295))},
//     reply: Simple("()"),
//     idempotent: true,
// ),

// ---- client
    pub fn op(&self, all: &[u8]) {
…
            let idol_all_bytes = zerocopy::IntoBytes::as_bytes(all);
            let idol_leases = [userlib::Lease::read_only(idol_all_bytes)];
…
                &idol_leases,
…

// ---- server
    leases: (*const [u8],),
…
            Self::op => 1,
…
        all: idol_runtime::LenLimit<idol_runtime::Leased<idol_runtime::R, [u8]>, 4294967295>,
…
                let idol_all_lease = core::num::NonZeroU32::new(4294967295);
                let idol_all_lease =
                    idol_runtime::Leased::read_only_slice(rm.sender, 0, idol_all_lease);
                let Some(idol_all_lease) = idol_all_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_all_lease = core::convert::TryFrom::try_from(idol_all_lease);
                let Ok(idol_all_lease) = idol_all_lease else {
                    return Err(idol_runtime::ClientError::BadLease.fail());
                };
                let idol_result = <IdolServer as InOrderIImpl>::op(self.1, rm, idol_all_lease);
…
