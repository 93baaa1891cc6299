//! Scripts word for word, and what never gets into one.

use super::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;

const MAC: Mac = [0x52, 0x54, 0, 0, 0, 0x0a];

fn source() -> ScriptSource {
    ScriptSource { address: Ipv4Addr::new(10, 77, 0, 1), port: 8080 }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A second reading of a script: the parameters of its one kernel line, as iPXE would split it.
fn parse(script: &str) -> Vec<(String, String)> {
    let kernels: Vec<_> =
        script.lines().filter(|line| line.split_whitespace().next() == Some("kernel")).collect();
    assert_eq!(kernels.len(), 1, "{script}");
    let words: Vec<_> = kernels[0].split(' ').collect();
    assert_eq!(words[1], "http://10.77.0.1:8080/boot/files/vmlinuz");
    assert_eq!(words[words.len() - 3..], ["||", "goto", "failed"]);
    words[2..words.len() - 3]
        .iter()
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_agent_script_is_this() {
    let parameters = pairs(&[
        ("billet.url", "https://10.77.0.1:7443"),
        ("billet.token", "aB3_-x"),
        ("console", "ttyS0,115200"),
        ("quiet", ""),
    ]);
    let script = render(&BootScript::Agent { parameters }, &source(), MAC, Arch::X64).unwrap();
    assert_eq!(
        script,
        "#!ipxe\n\
         set tries:int32 0\n\
         :retry\n\
         imgfree\n\
         kernel http://10.77.0.1:8080/boot/files/vmlinuz initrd=initrd.img BOOTIF=01-52-54-00-00-00-0a \
         billet.url=https://10.77.0.1:7443 billet.token=aB3_-x console=ttyS0,115200 quiet || goto failed\n\
         initrd --name initrd.img http://10.77.0.1:8080/boot/files/initrd.img || goto failed\n\
         boot || goto failed\n\
         :failed\n\
         inc tries\n\
         echo Billet: could not start the agent, attempt ${tries} of 15\n\
         iseq ${tries} 15 && exit 1 ||\n\
         sleep 2\n\
         goto retry\n"
    );
}

#[test]
fn the_disk_script_loads_nothing() {
    let script = render(&BootScript::Disk, &source(), MAC, Arch::X64).unwrap();
    assert!(script.starts_with("#!ipxe\n"));
    assert!(!script.contains("kernel") && !script.contains("http"), "{script}");
}

#[test]
fn a_script_that_asks_again_does_so_for_a_minute_and_boots_the_disk_then() {
    let script = later_script(&source(), MAC, Arch::Arm64, 0);
    assert_eq!(
        script,
        "#!ipxe\n\
         echo Billet: can't look up now what to boot, attempt 1 of 10\n\
         sleep 5\n\
         chain --autofree --replace \
         http://10.77.0.1:8080/boot/script?mac=52:54:00:00:00:0a&arch=arm64&asked=1 && exit 0 ||\n\
         iseq ${platform} efi && exit 1 ||\n\
         sanboot --no-describe --drive 0x80 || exit 0\n"
    );
    assert!(later_script(&source(), MAC, Arch::X64, 9).contains("&asked=10 "));
    for asked in [10, u32::MAX] {
        assert_eq!(later_script(&source(), MAC, Arch::X64, asked), disk_script());
    }
}

#[test]
fn keys_that_would_start_something_else_are_refused() {
    for key in [
        "init",
        "INIT",
        "rdinit",
        "initrd",
        "rd.break",
        "rd.shell",
        "RD.break",
        "systemd.unit",
        "single",
        "S",
        "BOOTIF",
        "initcall_blacklist",
        "initcall-blacklist",
        "1",
    ] {
        let refused = agent_script(&pairs(&[(key, "/bin/sh")]), &source(), MAC, Arch::X64);
        assert_eq!(refused, Err(ParameterError::Reserved { key: key.to_owned() }));
    }
}

#[test]
fn text_that_could_leave_its_place_is_refused() {
    for text in
        ["a b", "a\nkernel", "a\r", "a||b", "a&&b", "${net0/mac}", "a#b", "a;b", "\"", "'", "a\0", "é", "a\\"]
    {
        let key = agent_script(&pairs(&[(text, "")]), &source(), MAC, Arch::X64);
        assert_eq!(key, Err(ParameterError::Key { key: text.to_owned() }), "{text:?}");
        let value = agent_script(&pairs(&[("key", text)]), &source(), MAC, Arch::X64);
        assert_eq!(value, Err(ParameterError::Value { key: "key".to_owned() }), "{text:?}");
    }
    for key in ["", "a=b", "--", "-x"] {
        assert!(matches!(
            agent_script(&pairs(&[(key, "")]), &source(), MAC, Arch::X64),
            Err(ParameterError::Key { .. })
        ));
    }
}

#[test]
fn a_command_line_that_the_kernel_would_cut_is_refused() {
    let long = "x".repeat(256);
    let parameters: Vec<_> = (0..8).map(|n| (format!("k{n}"), long.clone())).collect();
    assert!(matches!(
        agent_script(&parameters, &source(), MAC, Arch::X64),
        Err(ParameterError::TooLong { count: 8, .. })
    ));
    assert!(agent_script(&parameters[..6], &source(), MAC, Arch::X64).is_ok());
    assert!(matches!(
        agent_script(&pairs(&[("k", &"x".repeat(257))]), &source(), MAC, Arch::X64),
        Err(ParameterError::Value { .. })
    ));
}

proptest! {
    /// What is built reads back as what was given, whatever plain text that was.
    #[test]
    fn a_built_script_reads_back(
        parameters in proptest::collection::vec(("k[A-Za-z0-9_./:,@%+-]{0,20}", "[A-Za-z0-9_./:,@%+=-]{0,40}"), 0..12)
    ) {
        let script = agent_script(&parameters, &source(), MAC, Arch::X64).unwrap();
        let read = parse(&script);
        prop_assert_eq!(&read[0], &("initrd".to_owned(), "initrd.img".to_owned()));
        prop_assert_eq!(&read[1], &("BOOTIF".to_owned(), "01-52-54-00-00-00-0a".to_owned()));
        prop_assert_eq!(&read[2..], &parameters[..]);
    }

    /// Whatever is given: refused, or a script of which only the kernel line differs.
    #[test]
    fn no_text_changes_the_rest_of_the_script(key in "\\PC{0,12}|[ -~\\n\\r\\t]{0,12}", value in "\\PC{0,12}|[ -~\\n\\r\\t]{0,12}") {
        let plain = agent_script(&[], &source(), MAC, Arch::X64).unwrap();
        if let Ok(script) = agent_script(&[(key, value)], &source(), MAC, Arch::X64) {
            let differing = plain.lines().zip(script.lines()).filter(|(a, b)| a != b).count();
            prop_assert_eq!(differing, 1);
            prop_assert_eq!(plain.lines().count(), script.lines().count());
            parse(&script);
        }
    }
}
