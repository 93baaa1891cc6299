//! What a search for BMCs found, on the wire. Pure.

use bmc::{Found, FoundRedfish};
use provisioner_api::{BmcFound, BmcFoundRedfish};

/// One BMC; `already` are the machines that are known to have it.
pub(crate) fn found(found: Found, already: Vec<String>) -> BmcFound {
    let Found { address, ipmi, redfish } = found;
    BmcFound { address: address.to_string(), ipmi, redfish: redfish.map(root), already }
}

fn root(root: FoundRedfish) -> BmcFoundRedfish {
    let FoundRedfish { version, vendor, product, uuid, tls_sha256 } = root;
    BmcFoundRedfish { version, vendor, product, uuid, tls_sha256: tls_sha256.map(hex::encode) }
}
