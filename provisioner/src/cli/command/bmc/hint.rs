//! What to type when a BMC did not do it: the driver says what is wrong, and does not know of commands.

use crate::cli::error::CliError;
use bmc::BmcError;
use provisioner_client::ClientError;

/// An error of a BMC that was asked from here; `ipmi`: over IPMI.
pub(super) fn of_direct(error: CliError, ipmi: bool) -> CliError {
    match &error {
        // Others are of what was asked, such as a user that is not there.
        CliError::Bmc(BmcError::Unsupported { what, .. })
            if ipmi && (what.contains("capability") || what.contains("IPMI has no")) =>
        {
            error.with_hint("if it speaks Redfish, try it with --redfish")
        }
        CliError::Bmc(BmcError::WrongCertificate { seen, .. }) => {
            let hint = format!("with -H that is --tls-sha256 {seen}");
            error.with_hint(hint)
        }
        _ => error,
    }
}

/// An error of a machine's BMC.
pub(super) fn of_machine(error: CliError, machine: &str) -> CliError {
    match &error {
        CliError::Client(ClientError::Problem(problem)) if problem.kind == "bmc-certificate" => {
            let hint = format!(
                "`billet machine set {machine} --bmc-tls-sha256 HEX` pins another one, --bmc-tls-ca FILE believes those of a CA"
            );
            error.with_hint(hint)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::{of_direct, of_machine};
    use crate::cli::error::CliError;
    use bmc::BmcError;
    use provisioner_api::Problem;
    use provisioner_client::ClientError;

    #[test]
    fn what_can_be_typed_is_told_and_the_exit_code_stays() {
        let address = || "10.0.0.9:623".to_owned();
        let lacks =
            |what: &str| CliError::Bmc(BmcError::Unsupported { address: address(), what: what.to_owned() });
        let other = CliError::Bmc(BmcError::WrongCertificate {
            address: address(),
            seen: "ab".repeat(32),
            pinned: "cd".repeat(32),
        });
        let refused = CliError::Client(ClientError::Problem(Problem {
            kind: "bmc-certificate".to_owned(),
            status: 502,
            detail: "another one".to_owned(),
            fields: Vec::new(),
        }));
        let pin = format!("; with -H that is --tls-sha256 {}", "ab".repeat(32));
        for (error, code, want) in [
            (
                of_direct(lacks("none (capability `bios`)"), true),
                2,
                "; if it speaks Redfish, try it with --redfish",
            ),
            (of_direct(lacks("IPMI has no such button"), true), 2, "try it with --redfish"),
            (of_direct(lacks("there is no user slot 77"), true), 2, "slot 77"),
            (of_direct(lacks("none (capability `bios`)"), false), 2, "`bios`)"),
            (of_direct(other, false), 6, pin.as_str()),
            (of_machine(refused, "m1"), 1, "--bmc-tls-ca FILE believes those of a CA"),
            (of_machine(CliError::Missing("nobody".to_owned()), "m1"), 5, "nobody"),
        ] {
            let sentence = error.sentence().unwrap();
            assert_eq!(error.code(), code, "{sentence}");
            assert!(sentence.ends_with(want), "{sentence}");
        }
    }
}
