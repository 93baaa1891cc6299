//! What a client is told to boot, in its own words: a loader, or its disk.

use super::class::Dialect;
use super::code;
use super::request::Request;
use super::settings::Settings;
use super::write::Writer;
use crate::Mac;
use crate::boot::{
    Arch, BootAnswer, Chain, FILES_PATH, Firmware, Loader, NO_FILE_PATH, SCRIPT_PATH, UKI_PATH,
};
use std::fmt::Write as _;

/// PXE's vendor options for "boot from your disk" (PXE 2.1, 2.4.1 and table 2-1): no discovery of boot servers, a
/// menu of one item, which is local boot (type 0), and a prompt that takes it after 0 seconds.
const LOCAL_BOOT: &[u8] = b"\x06\x01\x03\x09\x07\0\0\x04Disk\x0a\x05\0Disk\xff";
/// PXE's discovery control: take the file and the server that stand in this message, show no menu.
const TAKE_THIS: [u8; 3] = [6, 1, 8];
/// PXE's vendor sub-option that names a boot server's item, with its length.
const BOOT_ITEM: [u8; 2] = [71, 4];
/// The end of PXE's vendor options.
const END: u8 = 255;
/// iPXE's sub-option "don't wait for a proxyDHCP server".
const NO_PXEDHCP: [u8; 3] = [176, 1, 1];
const PXE_CLIENT: &[u8] = b"PXEClient";
const HTTP_CLIENT: &[u8] = b"HTTPClient";

/// What a reply says of booting.
pub(super) enum Boot {
    /// Nothing: a NAK, or the client is an operating system.
    Nothing,
    /// Its disk.
    Disk,
    /// This loader.
    File(BootFile),
}

/// A loader.
pub(super) struct BootFile {
    /// A name for TFTP or a URL.
    pub(super) name: String,
    /// Whether it is fetched by TFTP.
    tftp: bool,
    /// The firmware that is handed it.
    firmware: Firmware,
    chain: Chain,
}

impl Boot {
    pub(super) fn new(boot: BootAnswer, request: &Request, settings: &Settings) -> Self {
        match (request.dialect, boot, request.firmware) {
            (Dialect::System, ..) => Boot::Nothing,
            (_, BootAnswer::Boot(chain), Some(firmware)) => {
                Boot::File(BootFile::new(firmware, chain, request, settings))
            }
            _ => Boot::Disk,
        }
    }

    /// What the client is told in the end.
    pub(super) fn answer(&self) -> BootAnswer {
        match self {
            Boot::Nothing | Boot::Disk => BootAnswer::Disk,
            Boot::File(file) => BootAnswer::Boot(file.chain),
        }
    }

    /// Writes the options; `proxy` beside another server that gives the addresses.
    pub(super) fn write(&self, writer: &mut Writer, proxy: bool, request: &Request, settings: &Settings) {
        match self {
            Boot::Nothing => return,
            Boot::Disk => disk(writer, request.dialect, settings),
            Boot::File(file) => {
                writer.put(code::BOOT_FILE, file.name.as_bytes());
                if file.tftp {
                    writer.put(code::TFTP_SERVER, settings.server.to_string().as_bytes());
                }
                if proxy { file.beside(writer, request) } else { file.alone(writer) }
            }
        }
        // ROMs that look for their own identifier take no offer without it.
        let looks = request.dialect == Dialect::Pxe || (proxy && request.dialect == Dialect::Ipxe);
        if let Some(identifier) = request.machine_identifier().filter(|_| looks) {
            writer.put(code::CLIENT_UUID, identifier);
        }
    }
}

/// What makes each firmware go on to its disk at once. Given an address alone, UEFI asks on for 60 s.
fn disk(writer: &mut Writer, dialect: Dialect, settings: &Settings) {
    match dialect {
        Dialect::System => {}
        Dialect::Pxe => {
            writer.put(code::VENDOR_OPTIONS, LOCAL_BOOT);
            writer.put(code::VENDOR_CLASS, PXE_CLIENT);
        }
        // HTTP boot has no word for it; a file that is never there ends it.
        Dialect::Http => {
            let url = format!("{}{NO_FILE_PATH}", base(settings));
            writer.put(code::VENDOR_CLASS, HTTP_CLIENT);
            writer.put(code::BOOT_FILE, url.as_bytes());
        }
        // It would wait three seconds for a proxyDHCP server.
        Dialect::Ipxe => writer.put(code::IPXE, &NO_PXEDHCP),
    }
}

impl BootFile {
    fn new(firmware: Firmware, chain: Chain, request: &Request, settings: &Settings) -> Self {
        let loader = firmware.loader(chain);
        let name = match loader {
            Loader::Tftp(name) => name.to_owned(),
            Loader::Http(name) => format!("{}{FILES_PATH}/{name}", base(settings)),
            Loader::Script => script(firmware, request, settings),
            Loader::TftpUki(arch) => uki(arch, request.mac).trim_start_matches("/boot/").to_owned(),
            Loader::HttpUki(arch) => base(settings) + &uki(arch, request.mac),
        };
        let tftp = matches!(loader, Loader::Tftp(_) | Loader::TftpUki(_));
        BootFile { name, tftp, firmware, chain }
    }

    /// What makes each firmware take the loader at once, from the server that gives it its address, too.
    fn alone(&self, writer: &mut Writer) {
        match self.firmware {
            // UEFI takes only an offer that says so for an offer of HTTP boot (UEFI 2.10, 24.7.3.1).
            Firmware::UefiHttp(_) => writer.put(code::VENDOR_CLASS, HTTP_CLIENT),
            Firmware::IpxeBios | Firmware::IpxeUefi(_) => writer.put(code::IPXE, &NO_PXEDHCP),
            // With `PXEClient` in it, it would be asked for the file again, on port 4011.
            Firmware::BiosPxe | Firmware::UefiPxe(_) => {}
        }
    }

    /// The same, beside another server that gives the address (PXE 2.1, 2.2).
    fn beside(&self, writer: &mut Writer, request: &Request) {
        let mut vendor = Vec::new();
        match self.firmware {
            Firmware::UefiHttp(_) => return writer.put(code::VENDOR_CLASS, HTTP_CLIENT),
            Firmware::BiosPxe => vendor.extend_from_slice(&TAKE_THIS),
            // UEFI firmware has been tested with servers that give no vendor options (Windows's, dnsmasq): then it
            // asks for the file again on port 4011. iPXE takes the file without further words.
            Firmware::UefiPxe(_) | Firmware::IpxeBios | Firmware::IpxeUefi(_) => {}
        }
        if let Some(item) = request.boot_item() {
            vendor.extend_from_slice(&BOOT_ITEM);
            vendor.extend_from_slice(item);
        }
        if !vendor.is_empty() {
            vendor.push(END);
            writer.put(code::VENDOR_OPTIONS, &vendor);
        }
        writer.put(code::VENDOR_CLASS, PXE_CLIENT);
    }
}

/// The boot HTTP server.
fn base(settings: &Settings) -> String {
    format!("http://{}:{}", settings.server, settings.http_port)
}

fn script(firmware: Firmware, request: &Request, settings: &Settings) -> String {
    let mut url = base(settings);
    url.push_str(SCRIPT_PATH);
    url.push_str("?mac=");
    push_mac(&mut url, request.mac, ':');
    url.push_str("&arch=");
    url.push_str(firmware.arch().word());
    if let Some(uuid) = request.uuid {
        url.push_str("&uuid=");
        push_uuid(&mut url, uuid);
    }
    url
}

fn uki(arch: Arch, mac: Mac) -> String {
    let mut path = format!("{UKI_PATH}/{}/", arch.word());
    push_mac(&mut path, mac, '-');
    path.push_str(".efi");
    path
}

/// Appends a hardware address as text.
fn push_mac(text: &mut String, mac: Mac, separator: char) {
    for (position, byte) in mac.into_iter().enumerate() {
        if position > 0 {
            text.push(separator);
        }
        push_hex(text, byte);
    }
}

/// Appends a UUID in wire order as text, its first three fields little-endian as in SMBIOS (DSP0134, 7.2.1).
fn push_uuid(text: &mut String, uuid: [u8; 16]) {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    for (position, index) in ORDER.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(text, uuid[index]);
    }
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing into a String can't fail.
    let _ = write!(text, "{byte:02x}");
}
