//! Firmware that is known to be bad. A hint: makers mend the same hole under many version numbers, and not all of them
//! are here.

use super::{Finding, Rule, has_word};
use crate::redfish::version::Firmware;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Advisory {
    /// Its number.
    pub id: &'static str,
    /// A word in the maker's name.
    pub maker: &'static str,
    /// The start of the manager's or the system's model, whatever its case; empty: any.
    pub model: &'static str,
    /// Starts of models that do not have it.
    pub spared: &'static [&'static str],
    /// Of which firmware of the BMC.
    firmware: Firmware,
    /// What it is.
    pub what: &'static str,
    /// Where it is told.
    pub source: &'static str,
}

const fn row(
    id: &'static str,
    maker: &'static str,
    model: &'static str,
    firmware: Firmware,
    what: &'static str,
    source: &'static str,
) -> Advisory {
    Advisory { id, maker, model, spared: &[], firmware, what, source }
}

/// MegaRAC's own versions are those of AMI: each board maker counts in another way.
const fn megarac(maker: &'static str) -> Advisory {
    row(
        "CVE-2024-54085",
        maker,
        "",
        Firmware::Any,
        "MegaRAC SPx 12 before 12.7 and 13 before 13.5: Redfish's login can be passed by; it is exploited",
        "https://nvd.nist.gov/vuln/detail/CVE-2024-54085",
    )
}

const fn supermicro(maker: &'static str) -> Advisory {
    let row = row(
        "CVE-2024-36435",
        maker,
        "",
        Firmware::Any,
        "some boards X11, X12, X13, H12, H13, B12, B13 and the module CMM6: code is run by whoever reaches the web \
         server, without a login",
        "https://www.supermicro.com/en/support/security_BMC_IPMI_Jul_2024",
    );
    Advisory { spared: &["X8", "X9", "X10", "X14", "H8", "H11", "H14", "B9", "B10", "B11"], ..row }
}

const fn ilo4_login(maker: &'static str) -> Advisory {
    row(
        "CVE-2017-12542",
        maker,
        "iLO 4",
        Firmware::Before("2.53"),
        "iLO 4: whoever reaches it is let in and may run code",
        "https://nvd.nist.gov/vuln/detail/CVE-2017-12542",
    )
}

const fn ilo_update(maker: &'static str, model: &'static str, mended: &'static str) -> Advisory {
    row(
        "CVE-2018-7078",
        maker,
        model,
        Firmware::Before(mended),
        "iLO 4 and 5: the signature of an update can be passed by, so that an administrator may run code in it, and stay",
        "https://nvd.nist.gov/vuln/detail/CVE-2018-7078",
    )
}

const fn idrac_web(generation: &'static str) -> Advisory {
    row(
        "CVE-2018-1207",
        "dell",
        generation,
        Firmware::Before("2.52.52.52"),
        "iDRAC7 and 8: whoever reaches the web server may run code, without a login",
        "https://nvd.nist.gov/vuln/detail/CVE-2018-1207",
    )
}

/// What is known here.
pub const ADVISORIES: &[Advisory] = &[
    megarac("ami"),
    megarac("megatrends"),
    supermicro("supermicro"),
    supermicro("super"),
    ilo4_login("hp"),
    ilo4_login("hpe"),
    ilo_update("hp", "iLO 4", "2.60"),
    ilo_update("hpe", "iLO 4", "2.60"),
    ilo_update("hpe", "iLO 5", "1.30"),
    idrac_web("12G"),
    idrac_web("13G"),
];

/// What is known of a BMC's firmware. `models`: of its manager and its system.
pub fn of_firmware(makers: &[String], models: &[String], firmware: Option<&str>) -> Vec<Finding> {
    let is_model = |start: &str| {
        let starts = |model: &String| {
            model
                .trim()
                .as_bytes()
                .get(..start.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        };
        models.iter().any(starts)
    };
    let has_model = |row: &Advisory| {
        (row.model.is_empty() || is_model(row.model)) && !row.spared.iter().any(|spared| is_model(spared))
    };
    let mut findings: Vec<Finding> = Vec::new();
    for row in ADVISORIES {
        if !has_word(makers, row.maker) || !has_model(row) || !row.firmware.covers(firmware) {
            continue;
        }
        let version = firmware.unwrap_or("not told");
        let mended = match row.firmware {
            Firmware::Any => "; whether that is mended, only its maker tells",
            _ => "",
        };
        let what =
            format!("hint: {} ({}); its firmware is {version}{mended}; see {}", row.id, row.what, row.source);
        if !findings.iter().any(|finding| finding.what == what) {
            findings.push(Finding::new(Rule::Advisory, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(makers: &[&str], models: &[&str], firmware: Option<&str>) -> Vec<String> {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let findings = of_firmware(&texts(makers), &texts(models), firmware);
        findings.iter().map(|finding| finding.what.split_whitespace().nth(1).unwrap().to_owned()).collect()
    }

    /// Makers, models, version, and what is known of them.
    type Row<'a> = (&'a [&'a str], &'a [&'a str], Option<&'a str>, &'a [&'a str]);

    #[test]
    fn firmware_is_judged_by_maker_model_and_version() {
        let table: [Row<'_>; 16] = [
            (&["HPE"], &["iLO 4"], Some("iLO 4 v2.50"), &["CVE-2017-12542", "CVE-2018-7078"]),
            (&["HPE", "Hp"], &["iLO 4"], Some("iLO 4 v2.50"), &["CVE-2017-12542", "CVE-2018-7078"]),
            (&["HPE"], &["iLO 4"], Some("iLO 4 v2.53"), &["CVE-2018-7078"]),
            (&["HPE"], &["iLO 4"], Some("iLO 4 v2.60"), &[]),
            (&["HPE"], &["iLO 5"], Some("iLO 5 v1.20"), &["CVE-2018-7078"]),
            (&["HPE"], &["iLO 4"], None, &[]),
            (&["HPE"], &["iLO 5"], Some("iLO 5 v2.72"), &[]),
            (&["Dell Inc."], &["13G Monolithic", "PowerEdge R630"], Some("2.41.40.40"), &["CVE-2018-1207"]),
            (&["Dell Inc."], &["14G Monolithic"], Some("2.41.40.40"), &[]),
            (&["AMI"], &[], None, &["CVE-2024-54085"]),
            (&["Supermicro"], &["X12"], Some("1.0"), &["CVE-2024-36435"]),
            (&["Super Micro Computer, Inc."], &["SYS-120U-TNR"], Some("1.0"), &["CVE-2024-36435"]),
            (&["Supermicro"], &["X10DRi"], Some("3.90"), &[]),
            (&["Supermicro"], &["h11ssl-i"], Some("1.0"), &[]),
            (&["Supermicro"], &["X14DBG"], Some("1.0"), &[]),
            (&["Miami"], &[], None, &[]),
        ];
        for (makers, models, firmware, expected) in table {
            assert_eq!(told(makers, models, firmware), expected, "{makers:?} {models:?} {firmware:?}");
        }
    }

    #[test]
    fn every_row_has_a_source() {
        for row in ADVISORIES {
            assert!(row.source.starts_with("https://") && row.id.starts_with("CVE-"), "{row:?}");
        }
    }
}
