//! Whether the files that a configuration names are there and can be read.

use super::{Config, PostgresDatabase, Problem, check::ipxe_files};
use std::{fs::File, path::Path};

/// What is wrong with the files.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let boot = &config.boot;
    let mut problems = Vec::new();
    problems.extend(unreadable(
        "boot.kernel",
        &boot.kernel,
        "build it with the ramdisk or name the right file",
    ));
    problems.extend(unreadable("boot.ramdisk", &boot.ramdisk, "build it or name the right file"));
    let optional = [
        ("boot.kernel_arm64", &boot.kernel_arm64, "build it or name the right file"),
        ("boot.ramdisk_arm64", &boot.ramdisk_arm64, "build it or name the right file"),
        ("boot.rescue", &boot.rescue, "build it with `make rescue` or name the right file"),
        ("boot.rescue_arm64", &boot.rescue_arm64, "build it with `make rescue-arm64` or name the right file"),
        ("boot.stub_x64", &boot.stub_x64, "install the package `systemd-boot-efi` or name the right file"),
        ("boot.stub_arm64", &boot.stub_arm64, "take it from `systemd-boot-efi:arm64` or name the right file"),
    ];
    if let Some(file) = config.database.as_ref().and_then(PostgresDatabase::password_file) {
        let mend = "write the password into it, readable by the service alone, or name the right file";
        problems.extend(unreadable("database_password_file", file, mend));
    }
    if let Some(telemetry) = &config.telemetry {
        let mend = "write a line `name: value` for each header into it, readable by the service alone";
        let headers = telemetry.headers_file.as_ref();
        problems.extend(headers.and_then(|file| unreadable("telemetry.headers_file", file, mend)));
        let (ca, mend) = (telemetry.ca_file.as_ref(), "name the file with the collector's authority");
        problems.extend(ca.and_then(|file| unreadable("telemetry.ca_file", file, mend)));
    }
    for (key, file, mend) in optional {
        problems.extend(file.as_ref().and_then(|file| unreadable(key, file, mend)));
    }
    for file in ipxe_files(&boot.ipxe) {
        problems.extend(unreadable(
            "boot.ipxe",
            &file,
            "install the package `ipxe` or name the right folder",
        ));
    }
    problems
}

/// Tries to open a file.
fn unreadable(key: &str, path: &Path, mend: &str) -> Option<Problem> {
    // A relative path is told already.
    if !path.is_absolute() {
        return None;
    }
    let why = match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => return None,
        Ok(_) => "it is not a file".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(Problem::new(key, format!("can't read {}: {why}; {mend}", path.display())))
}
