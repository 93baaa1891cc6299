//! The provider ID of a machine: what Kubernetes' `Node.spec.providerID` and a Cluster API machine's `spec.providerID` have to
//! be, byte for byte the same (Cluster API, contract of infrastructure machines).

use crate::MachineId;

/// The provider ID of a machine. It is the machine's, not the instance's: who installs it anew gets the same one.
pub fn provider_id(machine: MachineId) -> String {
    format!("billet://{machine}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_changes() {
        let machine = MachineId(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(provider_id(machine), "billet://01234567-89ab-cdef-0123-456789abcdef");
    }
}
