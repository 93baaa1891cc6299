//! What a machine is told to boot: by an iPXE script, or by the command line inside a unified kernel image.
//!
//! Only what Billet's own scripts say is understood; iPXE itself is not here.

use images_agent::BootParameters;
use std::time::Duration;

/// What a boot script says.
#[derive(Debug)]
pub(super) enum Script {
    /// Boot the disk.
    Disk,
    /// Ask again here, after a pause.
    Later { again: String, pause: Duration },
    /// Boot the agent, whose kernel and ramdisk are fetched from these addresses.
    Agent { kernel: String, ramdisk: Option<String>, boot: BootParameters },
}

impl Script {
    /// Reads a script; an error is a sentence.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let find = |command: &str| {
            let is_it = |line: &&str| line.split_ascii_whitespace().next() == Some(command);
            text.lines().map(str::trim).find(is_it)
        };
        let url = |line: &str| {
            line.split_ascii_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        };
        if let Some(again) = find("chain").and_then(url) {
            let pause = find("sleep").and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
            return Ok(Self::Later { again, pause: Duration::from_secs(pause.unwrap_or(0)) });
        }
        let Some(kernel) = find("kernel") else { return Ok(Self::Disk) };
        let boot = BootParameters::parse(kernel).map_err(|error| error.to_string())?;
        let kernel = url(kernel).ok_or("the script's kernel has no address")?;
        Ok(Self::Agent { kernel, ramdisk: find("initrd").and_then(url), boot })
    }
}

/// Where the machine's own unified kernel image is, by name or address.
pub(super) fn is_uki(file: &str) -> bool {
    file.contains("uki/") && file.ends_with(".efi")
}

/// The command line in the beginning of a unified kernel image: its section `.cmdline` (PE/COFF, sections 3.3, 4).
pub(super) fn uki_command_line(image: &[u8]) -> Result<BootParameters, String> {
    let section = cmdline(image).ok_or("the image has no section .cmdline in what was kept of it")?;
    let text = section.split(|byte| *byte == 0).next().unwrap_or_default();
    BootParameters::parse(&String::from_utf8_lossy(text)).map_err(|error| error.to_string())
}

fn cmdline(image: &[u8]) -> Option<&[u8]> {
    let header = number(image, 0x3c, 4)?;
    let sections = number(image, header.checked_add(6)?, 2)?;
    let first = header.checked_add(24)?.checked_add(number(image, header.checked_add(20)?, 2)?)?;
    (0..sections).find_map(|place| {
        let at = first.checked_add(place * 40)?;
        let name = image.get(at..at.checked_add(8)?)?;
        if name != b".cmdline" {
            return None;
        }
        let (size, start) = (number(image, at + 16, 4)?, number(image, at + 20, 4)?);
        image.get(start..start.checked_add(size)?)
    })
}

/// A little-endian number.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "#!ipxe\nset tries:int32 0\n:retry\nimgfree\n\
        kernel http://127.0.0.1:80/boot/files/vmlinuz initrd=initrd.img BOOTIF=01-02-00-00-00-00-01 \
        billet.url=https://127.0.0.1:7443 billet.token=abc || goto failed\n\
        initrd --name initrd.img http://127.0.0.1:80/boot/files/initrd.img || goto failed\nboot || goto failed\n";

    #[test]
    fn scripts() {
        let Ok(Script::Agent { kernel, ramdisk, boot }) = Script::read(AGENT) else { panic!("an agent") };
        assert_eq!(kernel, "http://127.0.0.1:80/boot/files/vmlinuz");
        assert_eq!(ramdisk.as_deref(), Some("http://127.0.0.1:80/boot/files/initrd.img"));
        assert_eq!(
            (boot.url.as_str(), boot.mac.as_deref()),
            ("https://127.0.0.1:7443", Some("02:00:00:00:00:01"))
        );
        assert!(matches!(Script::read("#!ipxe\niseq ${platform} efi && exit 1 ||\n"), Ok(Script::Disk)));
        let later = "#!ipxe\nsleep 5\nchain --replace http://a/boot/script?asked=1 && exit 0 ||\nexit 1\n";
        let Ok(Script::Later { again, pause }) = Script::read(later) else { panic!("later") };
        assert_eq!((again.as_str(), pause.as_secs()), ("http://a/boot/script?asked=1", 5));
        assert!(Script::read("kernel http://a/vmlinuz billet.url=https://a").is_err(), "no token");
    }

    #[test]
    fn the_command_line_of_an_image() {
        let mut image = vec![0; 0x400];
        image[0x3c] = 0x80;
        image[0x86] = 2;
        image[0x94] = 0x10;
        let table = 0x80 + 24 + 0x10;
        image[table..table + 5].copy_from_slice(b".text");
        image[table + 40..table + 48].copy_from_slice(b".cmdline");
        image[table + 57] = 1;
        image[table + 61] = 3;
        let line = b"billet.url=https://a billet.token=t";
        image[0x300..0x300 + line.len()].copy_from_slice(line);
        assert_eq!(uki_command_line(&image).unwrap().url, "https://a");
        for length in 0..0x400 {
            assert!(uki_command_line(&image[..length]).is_err(), "cut after {length}");
        }
        assert!(is_uki("uki/x64/02-00-00-00-00-01.efi") && is_uki("http://a/boot/uki/x64/b.efi"));
        assert!(!is_uki("snponly.efi") && !is_uki("undionly.kpxe"));
    }
}
