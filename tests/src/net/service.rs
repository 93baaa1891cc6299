//! The service on a host, driven as people do: configuration file, command line, API, `/metrics`.

use super::{Namespace, Process, until};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Its address on every link.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// What it serves: names, where they are configured, and lengths that are no multiple of any block size.
const FILES: [(&str, usize); 5] = [
    ("undionly.kpxe", 40_001),
    ("snponly.efi", 300_007),
    ("ipxe.efi", 512 * 100),
    ("vmlinuz", 3_000_017),
    ("initrd.img", 5_000_011),
];

/// The service as a process of its host.
pub struct Service {
    /// Where it runs.
    pub host: Namespace,
    folder: PathBuf,
    process: Option<Process>,
}

impl Service {
    /// Starts it with these networks (TOML), whose addresses the host must have. Its files are in `folder`.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn start(host: Namespace, folder: &Path, networks: &str) -> Result<Self> {
        for (name, length) in FILES {
            fs::write(folder.join(name), content(name, length))?;
        }
        let config = format!(
            "data = {data:?}\n[api]\nlisten = \"0.0.0.0:7443\"\n\
             [boot]\nkernel = {kernel:?}\nramdisk = {ramdisk:?}\nipxe = {folder:?}\n\
             [log]\nfilter = \"info,pxe=debug\"\n{networks}",
            data = folder.join("data"),
            kernel = folder.join("vmlinuz"),
            ramdisk = folder.join("initrd.img"),
        );
        fs::write(folder.join("billet.toml"), config)?;
        let mut service = Self { host, folder: folder.to_owned(), process: None };
        service.serve()?;
        Ok(service)
    }

    /// Starts it (again) on what is there.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn serve(&mut self) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("serve.log"))?;
        let program =
            self.host.program("billet").words("serve --config").args([self.folder.join("billet.toml")]);
        self.process = Some(program.start_into(log)?);
        until("the service answers", || {
            let runs = self.process.as_mut().is_some_and(|process| process.runs().unwrap_or(false));
            anyhow::ensure!(runs, "the service ended");
            Ok(self.billet("network list").ok())
        })?;
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Runs a `billet` command, its words separated by spaces; what it said.
    ///
    /// # Errors
    /// It fails.
    pub fn billet(&self, words: &str) -> Result<String> {
        let program = self.host.program("billet").env("BILLET_CLIENT", self.folder.join("data/admin.toml"));
        program.words(words).run().with_context(|| format!("billet {words}"))
    }

    /// As [`billet`](Self::billet), with `-o json`.
    ///
    /// # Errors
    /// It fails.
    pub fn json(&self, words: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.billet(&format!("-o json {words}"))?)?)
    }

    /// What a path of the API answers to the administrator, with status 200.
    ///
    /// # Errors
    /// Another status, or none.
    pub fn get(&self, path: &str) -> Result<String> {
        let admin = fs::read_to_string(self.folder.join("data/admin.toml"))?;
        let token = admin.lines().find_map(|line| line.strip_prefix("token = ")).context("no token")?;
        let header = format!("Authorization: Bearer {}", token.trim_matches('"'));
        let url = format!("https://{SERVER}:7443{path}");
        // Whose certificate it is doesn't matter inside these namespaces.
        let program = self.host.program("curl").words("-sS --fail-with-body -k -H").args([&header, &url]);
        program.run().with_context(|| format!("GET {path}"))
    }

    /// The sum of all series of a counter that have these labels, written as in the exposition: `reason="length"`.
    ///
    /// # Errors
    /// The metrics can't be had.
    pub fn counter(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let mut sum = 0.0;
        for line in self.get("/metrics")?.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                bail!("a line without a value: {line}")
            };
            let (found, rest) = series.split_once('{').unwrap_or((series, ""));
            let has = |label: &&str| rest.trim_end_matches('}').split(',').any(|have| have == *label);
            if found == name && labels.iter().all(has) {
                sum += value.parse::<f64>().with_context(|| line.to_owned())?;
            }
        }
        Ok(sum)
    }

    /// The bytes of a file that it serves.
    ///
    /// # Errors
    /// It serves none of this name.
    pub fn file(&self, name: &str) -> Result<Vec<u8>> {
        Ok(fs::read(self.folder.join(name))?)
    }

    /// Where a test may put its own files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Bytes that differ from block to block and from file to file.
fn content(name: &str, length: usize) -> Vec<u8> {
    let seed =
        name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    let mut state = u64::from(seed) | 1;
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(byte).take(length).collect()
}
