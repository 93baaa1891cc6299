//! TFTP requests: what is understood is what the datagram says, what is not is refused with a packet that any
//! client reads, and the name of a machine's image stands for that machine alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::tftp::{name_of, parse_request};
use pxe_proto::uki::parse_name;

fuzz_target!(|data: &[u8]| {
    match parse_request(data) {
        Ok(request) => {
            assert_eq!(data[..2], [0, 1], "only reading is served");
            let words: Vec<&[u8]> = data[2..].split(|byte| *byte == 0).collect();
            assert_eq!(words[0], request.name.as_bytes());
            assert!(words[1].eq_ignore_ascii_case(b"octet"));
            let name = name_of(&request.name);
            assert!(!name.starts_with('/'));
            if let Some((arch, [a, b, c, d, e, f])) = parse_name(name) {
                let whole = format!("{}/{a:02x}-{b:02x}-{c:02x}-{d:02x}-{e:02x}-{f:02x}.efi", arch.word());
                assert!(whole.eq_ignore_ascii_case(name), "{name} read as {whole}");
            }
            assert!(request.blksize.is_none_or(|size| size >= 8));
            assert!(request.windowsize.is_none_or(|blocks| blocks >= 1));
            assert!(request.timeout.is_none_or(|seconds| seconds >= 1));
            for (asked, option) in [
                (request.blksize.is_some(), "blksize"),
                (request.windowsize.is_some(), "windowsize"),
                (request.timeout.is_some(), "timeout"),
                (request.tsize, "tsize"),
            ] {
                let there = words[2..].iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes()));
                assert!(!asked || there, "{option} was not asked for");
            }
        }
        Err(refused) => {
            let Some(packet) = refused.packet() else { return };
            assert_eq!(packet[..2], [0, 5]);
            assert_eq!(packet.iter().skip(4).position(|byte| *byte == 0), Some(packet.len() - 5));
            assert!(
                data.len() >= 2 && data[0] == 0 && (data[1] == 1 || data[1] == 2),
                "an error to no request"
            );
        }
    }
});
