//! Erasures that are on record, and what a certificate says.

use super::{
    layout::{Page, table},
    word,
};
use crate::cli::{
    text::{Context, bytes, clean},
    ui::HasName,
};
use provisioner_api::{CertifiedDisk, Erasure, ErasureCertificate, ErasureKey};

impl HasName for Erasure {
    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl HasName for ErasureKey {
    fn name(&self) -> String {
        self.id.clone()
    }
}

/// A table of erasures.
pub(in crate::cli) fn erasures(erasures: &[Erasure], wide: bool, context: &Context) -> String {
    let rows = erasures.iter().map(|erasure| {
        let said = &erasure.certificate;
        let disks: Vec<_> = said.disks.iter().map(|disk| disk.serial.as_str()).collect();
        [
            erasure.id.to_string(),
            context.time(erasure.at),
            said.machine.name.clone(),
            said.policy_done.as_str().to_owned(),
            disks.join(" "),
        ]
    });
    if !wide {
        return table(["ID", "TIME", "MACHINE", "BY", "DISKS"], rows);
    }
    let rows = rows.zip(erasures).map(|([id, time, machine, policy, disks], erasure)| {
        let said = &erasure.certificate;
        [id, time, machine, said.machine.pool.clone(), policy, disks, owner(said), by(said), said.key.clone()]
    });
    table(["ID", "TIME", "MACHINE", "POOL", "BY", "DISKS", "OF", "ASKED BY", "KEY"], rows)
}

/// A page about one.
pub(in crate::cli) fn erasure(erasure: &Erasure, context: &Context) -> String {
    let said = &erasure.certificate;
    let machine = &said.machine;
    let mut page = Page::default();
    page.line("Erasure", erasure.id.to_string())
        .line("Ended", context.time(said.ended))
        .line("Began", said.started.map(|at| context.time(at)).unwrap_or_default())
        .line("Machine", &machine.name)
        .line("Id", machine.id.to_string())
        .line("Pool", &machine.pool)
        .line(
            "Make",
            [machine.manufacturer.as_deref(), machine.product.as_deref()]
                .map(Option::unwrap_or_default)
                .join(" ")
                .trim(),
        )
        .line("Serial", machine.serial.as_deref().unwrap_or_default())
        .line("Owner", owner(said))
        .line("Asked by", by(said))
        .line("Job", format!("{} ({})", said.job, word(said.work)))
        .line("Policy", policy(said))
        .line("Left out", said.left_out.join(" "))
        .line("Key", &said.key)
        .line("Tool", &said.tool);
    for disk in &said.disks {
        page.block(&format!("Disk {}", disk.serial), &disk_block(disk));
    }
    page.end()
}

fn disk_block(disk: &CertifiedDisk) -> String {
    let mut page = Page::default();
    page.line("Model", disk.model.as_deref().unwrap_or_default())
        .line("WWN", disk.wwn.as_deref().unwrap_or_default())
        .line("Firmware", disk.firmware.as_deref().unwrap_or_default())
        .line("Size", format!("{}, {}", bytes(disk.size_bytes), word(disk.media)))
        .line("Done", &disk.command)
        .line("NIST", word(disk.sanitization))
        .line("Took", disk.seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default())
        .line("Written", bytes(disk.bytes_written))
        .line("Verified", format!("{} ({})", bytes(disk.bytes_verified), word(disk.verification)))
        .line("Result", word(disk.result));
    if let Some(samples) = &disk.samples {
        let told = format!(
            "{} markers, {} places of which {} held something before, seed {}",
            samples.markers, samples.places, samples.held, samples.seed
        );
        page.line("Samples", told);
    }
    page.end()
}

/// What a certificate whose signature is good says, in one sentence.
pub(in crate::cli) fn certified(said: &ErasureCertificate, context: &Context) -> String {
    let disks: Vec<_> = said
        .disks
        .iter()
        .map(|disk| {
            let model = disk.model.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
            let how = format!("{}; NIST: {}", disk.command, word(disk.sanitization));
            format!("{} ({}{model}; {how})", disk.serial, bytes(disk.size_bytes))
        })
        .collect();
    let by = match by(said) {
        by if by.is_empty() => by,
        by => format!(", asked for by {by}"),
    };
    let left_out = match &said.left_out[..] {
        [] => String::new(),
        disks => format!("; left out and NOT erased: {}", disks.join(", ")),
    };
    clean(&format!(
        "the certificate is good: at {} machine {} had erased {}{by}{left_out} (key {})",
        context.time(said.ended),
        said.machine.name,
        disks.join(", "),
        said.key
    ))
}

fn policy(said: &ErasureCertificate) -> String {
    let (asked, done) = (said.policy_asked.as_str(), said.policy_done.as_str());
    if asked == done { done.to_owned() } else { format!("{done} ({asked} was asked for)") }
}

fn owner(said: &ErasureCertificate) -> String {
    let Some(owner) = &said.previous_owner else { return String::new() };
    owner.name.clone().unwrap_or_else(|| owner.instance.to_string())
}

fn by(said: &ErasureCertificate) -> String {
    said.asked_by.clone().unwrap_or_default()
}
