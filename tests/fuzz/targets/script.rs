//! The script builder (requirement R-13): what is built reads back as what was given, and whatever is given, there
//! is exactly one `kernel` line and nothing but its parameters differs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pxe_proto::boot::{Arch, ScriptSource, agent_script};
use std::net::Ipv4Addr;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
const SOURCE: ScriptSource = ScriptSource { address: Ipv4Addr::new(10, 77, 0, 1), port: 8080 };

// Parameters are separated by the record separator, a key from its value by the unit separator.
fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let parameters: Vec<(String, String)> = if text.is_empty() {
        Vec::new()
    } else {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('\x1f').unwrap_or((pair, ""));
            (key.to_owned(), value.to_owned())
        };
        text.split('\x1e').map(pair).collect()
    };
    let Ok(script) = agent_script(&parameters, &SOURCE, MAC, Arch::X64) else { return };

    let plain = agent_script(&[], &SOURCE, MAC, Arch::X64).expect("no parameter is allowed");
    assert_eq!(plain.lines().count(), script.lines().count(), "a line was added: {script}");
    let differing: Vec<_> = plain.lines().zip(script.lines()).filter(|(a, b)| a != b).collect();
    assert!(differing.iter().all(|(_, line)| line.starts_with("kernel ")), "another line changed: {script}");
    assert_eq!(differing.len(), usize::from(!parameters.is_empty()), "{script}");
    assert_eq!(read_back(&script), parameters, "{script}");
});

/// The parameters of the one kernel line, split as iPXE splits a line: at white space, after it has expanded
/// `${…}`, with words that begin with `#` as comments and `||`, `&&` and `;` as words that end a command.
fn read_back(script: &str) -> Vec<(String, String)> {
    let lines = script.split(['\n', '\r', '\0']);
    let kernels: Vec<&str> =
        lines.filter(|line| line.split_ascii_whitespace().any(|word| word == "kernel")).collect();
    let [kernel] = kernels[..] else { panic!("not one kernel line: {script}") };
    assert!(kernel.is_ascii() && !kernel.contains(['$', '"', '\'', '\\', '`', '\x0b']), "{kernel}");
    let words: Vec<&str> = kernel.split_ascii_whitespace().collect();
    let end = words.iter().position(|word| matches!(*word, "||" | "&&" | ";") || word.starts_with('#'));
    let end = end.expect("the line goes on with what to do on failure");
    assert_eq!(words[end..], ["||", "goto", "failed"]);
    assert_eq!(words[0], "kernel");
    assert!(words[1].starts_with("http://10.77.0.1:8080/boot/files/"));
    assert!(words[1..end].iter().all(|word| !word.starts_with('-')), "an option of the command: {kernel}");
    let pairs: Vec<(&str, &str)> =
        words[2..end].iter().map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
    assert!(pairs[0].0 == "initrd" && pairs[1] == ("BOOTIF", "01-52-54-00-aa-bb-cc"), "{kernel}");
    let given = &pairs[2..];
    // The kernel takes the last of several: none of these may be given once more.
    assert!(given.iter().all(|(key, _)| !matches!(*key, "initrd" | "BOOTIF" | "init" | "rdinit")));
    given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
