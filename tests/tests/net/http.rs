//! Files and scripts by HTTP, to curl; and what the boot trace tells of it.

use crate::Test;
use crate::site::{mac, mac_text, pair};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use tests::net::{BootClient, Message, Namespace, SERVER, discover};

pub(crate) const TESTS: &[Test] = &[
    ("http::files_come_whole_and_in_parts", files_come_whole_and_in_parts),
    ("http::a_boot_leaves_its_trace", a_boot_leaves_its_trace),
];

const NETWORK: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\ndiscovery = true\n";

/// Runs curl on a path of the boot server; what it said.
fn curl(client: &Namespace, folder: &Path, words: &str, path: &str) -> Result<String> {
    let program = client.program("curl").words("-sS").words(words).folder(folder);
    program.args([format!("http://{SERVER}:8080{path}")]).run()
}

fn files_come_whole_and_in_parts(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    for name in ["vmlinuz", "snponly.efi"] {
        let path = format!("/boot/files/{name}");
        let (file, body) = (service.file(name)?, folder.join("body"));
        curl(&client, folder, "--fail -o body", &path)?;
        ensure!(std::fs::read(&body)? == file, "another {name}");
        for (range, expected) in [
            ("0-0", &file[..1]),
            ("100-70000", &file[100..=70_000]),
            ("-333", &file[file.len() - 333..]),
            ("200000-", &file[200_000..]),
        ] {
            let status = curl(&client, folder, &format!("-o body -w %{{http_code}} -r {range}"), &path)?;
            ensure!(status == "206" && std::fs::read(&body)? == expected, "{status} for {range} of {name}");
        }
        let beyond = curl(&client, folder, &format!("-o body -w %{{http_code}} -r {}-", file.len()), &path)?;
        ensure!(beyond == "416", "{beyond} for what is behind the end");
        let head = curl(&client, folder, "-I", &path)?.to_ascii_lowercase();
        ensure!(head.contains(&format!("content-length: {}", file.len())), "{head}");
        let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).context("no validator")?;
        let again = client.program("curl").words("-sS -o body -w %{http_code} -H").folder(folder);
        let again =
            again.args([format!("If-None-Match: {}", etag.trim()), format!("http://{SERVER}:8080{path}")]);
        ensure!(again.run()? == "304", "{etag} is not its own validator");
    }
    // A download that broke off goes on where it was.
    let whole = service.file("vmlinuz")?;
    std::fs::write(folder.join("resumed"), &whole[..1_234_567])?;
    curl(&client, folder, "--fail -o resumed -C -", "/boot/files/vmlinuz")?;
    ensure!(std::fs::read(folder.join("resumed"))? == whole, "the resumed file differs");
    Ok(())
}

fn a_boot_leaves_its_trace(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip(&format!("link set lan0 address {}", mac_text(1)))?;
    let rom = BootClient::new(&client, "lan0")?;
    let offer = rom.ask(&discover(mac(1)).pxe(0), |answer| answer.kind() == 2)?;
    let request = Message::new(3, mac(1)).pxe(0).option(50, &offer.address(16).octets());
    let granted = rom.ask(&request.option(54, &SERVER.octets()), |answer| answer.kind() == 5)?;
    ensure!(granted.boot_file() == "undionly.kpxe", "{}", granted.boot_file());
    client.ip(&format!("addr add {}/24 dev lan0", granted.address(16)))?;
    let fetch = client.program("tftp").words("-m binary 10.77.0.1 -c get undionly.kpxe").folder(folder);
    ensure!(fetch.finish()?.success, "the loader can't be fetched");
    let script = curl(&client, folder, "--fail", &format!("/boot/script?mac={}", mac_text(1)))?;
    ensure!(script.starts_with("#!ipxe\n") && script.contains("\nkernel http://10.77.0.1:8080/"), "{script}");
    curl(&client, folder, "--fail -o body", "/boot/files/vmlinuz")?;

    let trace = service.json(&format!("boot-trace {}", mac_text(1)))?;
    let entries = trace["entries"].as_array().context("no entries")?;
    let told: Vec<String> =
        entries.iter().map(|entry| format!("{} {}", entry["asked"], entry["answered"])).collect();
    for wanted in ["DISCOVER", "REQUEST", "undionly.kpxe", "vmlinuz"] {
        ensure!(told.iter().any(|line| line.contains(wanted)), "{wanted} is not told: {told:#?}");
    }
    let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    ensure!(kinds.contains(&"script") && kinds.contains(&"tftp") && kinds.contains(&"http"), "{kinds:?}");
    let text = service.billet(&format!("boot-trace {}", mac_text(1)))?;
    ensure!(text.contains("undionly.kpxe"), "{text}");
    Ok(())
}
