//! Free-form DHCP options: a code and one value, refused where the code is the server's own or has a key of its own.

use super::{check::Checker, subnet::address, wire::FreeOption};

/// The longest value of an option in bytes (RFC 2132 section 2).
const LONGEST: usize = 255;

/// Reads `options`.
pub(super) fn options(checker: &mut Checker, key: &str, options: &[FreeOption]) -> Vec<(u8, Vec<u8>)> {
    let mut read: Vec<(u8, Vec<u8>)> = Vec::new();
    for option in options {
        let code = option.code;
        let value = reserved(code).map_or_else(|| bytes(option), Err);
        match value {
            Ok(_) if read.iter().any(|(known, _)| *known == code) => {
                checker.problem(key, format!("option {code} is there twice; name it once"));
            }
            Ok(value) => read.push((code, value)),
            Err(detail) => checker.problem(key, detail),
        }
    }
    read
}

/// Why a code can't be set by hand.
fn reserved(code: u8) -> Option<String> {
    let instead = match code {
        0 | 255 => return Some(format!("{code} is no option: options have codes from 1 to 254")),
        1 => "the mask follows from `subnet`",
        3 => "`gateway` sets it",
        6 => "`dns` sets it",
        15 => "`domain` sets it",
        26 => "`mtu` sets it",
        28 => "the broadcast address follows from `subnet`",
        42 => "`ntp` sets it",
        51 | 58 | 59 => "`lease` sets it",
        54 => "`server_identifier` sets it",
        114 => "`url` sets it",
        119 => "`search` sets it",
        33 | 121 | 249 => "`routes` sets it",
        43 | 60 | 66 | 67 | 175 => "it depends on what boots, `boot_chain` says how",
        12 | 50 | 52 | 53 | 55..=57 | 61 | 77 | 80 | 82 | 90 | 93 | 94 | 97 | 118 => {
            "it belongs to the protocol itself"
        }
        _ => return None,
    };
    Some(format!("option {code} is not yours to set: {instead}"))
}

/// The value's bytes.
fn bytes(option: &FreeOption) -> Result<Vec<u8>, String> {
    let code = option.code;
    let given = [
        option.text.is_some(),
        option.address.is_some(),
        option.addresses.is_some(),
        option.hex.is_some(),
        option.u8.is_some(),
        option.u16.is_some(),
        option.u32.is_some(),
    ];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(format!(
            "option {code} needs exactly one value: `text`, `address`, `addresses`, `hex`, `u8`, `u16` or `u32`"
        ));
    }
    let of = |text: &String| address(text).map(|address| address.octets());
    let wrong = |detail: String| format!("option {code}: {detail}");
    let bytes = if let Some(text) = &option.text {
        text.clone().into_bytes()
    } else if let Some(text) = &option.address {
        of(text).map_err(wrong)?.to_vec()
    } else if let Some(list) = &option.addresses {
        list.iter().map(of).collect::<Result<Vec<_>, _>>().map_err(wrong)?.concat()
    } else if let Some(text) = &option.hex {
        let plain: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        hex::decode(plain).map_err(|_| wrong(format!("`{text}` is not hex; write it like 01:02:ff")))?
    } else {
        let numbers = [
            option.u8.map(|number| number.to_be_bytes().to_vec()),
            option.u16.map(|number| number.to_be_bytes().to_vec()),
            option.u32.map(|number| number.to_be_bytes().to_vec()),
        ];
        numbers.into_iter().flatten().flatten().collect()
    };
    match bytes.len() {
        0 => Err(wrong("its value is empty; leave the option out".to_owned())),
        long if long > LONGEST => Err(wrong(format!("its value has {long} bytes; {LONGEST} are the most"))),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::options;
    use crate::config::{check::Checker, wire::FreeOption};

    /// What comes of one option, written as in the file.
    fn read(text: &str) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let option: FreeOption = toml::from_str(text).unwrap();
        let mut checker = Checker::default();
        let read = options(&mut checker, "o", &[option]);
        match checker.problems.first() {
            Some(problem) => Err(problem.detail.clone()),
            None => Ok(read),
        }
    }

    #[test]
    fn values() {
        let table: [(&str, &[u8]); 7] = [
            ("text = 'abc'", b"abc"),
            ("address = '10.0.0.1'", &[10, 0, 0, 1]),
            ("addresses = ['10.0.0.1', '10.0.0.2']", &[10, 0, 0, 1, 10, 0, 0, 2]),
            ("hex = '01:fF 10'", &[1, 255, 16]),
            ("u8 = 7", &[7]),
            ("u16 = 258", &[1, 2]),
            ("u32 = 16909060", &[1, 2, 3, 4]),
        ];
        for (value, want) in table {
            assert_eq!(read(&format!("code = 150\n{value}")), Ok(vec![(150, want.to_vec())]), "{value}");
        }
    }

    #[test]
    fn refusals() {
        let long = format!("code = 150\ntext = '{}'", "x".repeat(256));
        let table = [
            ("code = 150", "exactly one value"),
            ("code = 150\nu8 = 1\ntext = 'x'", "exactly one value"),
            ("code = 150\ntext = ''", "empty"),
            ("code = 150\naddresses = []", "empty"),
            ("code = 150\nhex = 'abc'", "is not hex"),
            ("code = 150\naddress = 'x'", "is not an IPv4 address"),
            (&long, "256 bytes"),
            ("code = 255\nu8 = 1", "is no option"),
        ];
        for (text, want) in table {
            let said = read(text).unwrap_err();
            assert!(said.contains(want), "{text}: {said}");
        }
        for code in
            [1, 3, 6, 12, 43, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 67, 82, 93, 97, 121, 175]
        {
            let said = read(&format!("code = {code}\nu8 = 1")).unwrap_err();
            assert!(said.contains("is not yours to set"), "{code}: {said}");
        }
    }
}
