//! The packet capture: classic pcap (draft-ietf-opsawg-pcap), microseconds, Ethernet.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::LONGEST_FRAME;
use crate::spec::Capture;

/// Bytes of a TCP frame that are kept in a short capture.
const SHORT: usize = 128;

/// Writes frames into a file, or nothing.
pub(crate) struct Recorder {
    keep: Capture,
    file: Option<File>,
}

impl Recorder {
    /// Starts a new file.
    pub(crate) fn create(path: &Path, keep: Capture) -> std::io::Result<Self> {
        if keep == Capture::Off {
            return Ok(Self::off());
        }
        let mut file = File::create(path)?;
        file.write_all(&file_header())?;
        Ok(Self { keep, file: Some(file) })
    }

    /// Keeps nothing.
    pub(crate) fn off() -> Self {
        Self { keep: Capture::Off, file: None }
    }

    /// Keeps a frame. A full disk ends the capture, not the lab.
    pub(super) fn record(&mut self, frame: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(&record(frame, self.keep, now())) {
            tracing::warn!(%error, "the packet capture ends here");
            self.file = None;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell that stamps frames reads the clock")]
fn now() -> Duration {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default()
}

fn file_header() -> Vec<u8> {
    let mut header = Vec::with_capacity(24);
    header.extend(0xa1b2_c3d4_u32.to_le_bytes());
    header.extend([2, 0, 4, 0]);
    header.extend([0; 8]);
    header.extend((LONGEST_FRAME as u32).to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header
}

fn record(frame: &[u8], keep: Capture, now: Duration) -> Vec<u8> {
    let kept = if keep == Capture::Short && is_tcp(frame) { &frame[..frame.len().min(SHORT)] } else { frame };
    let numbers = [now.as_secs() as u32, now.subsec_micros(), kept.len() as u32, frame.len() as u32];
    let mut record: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    record.extend(kept);
    record
}

/// IPv4 with protocol 6, or IPv6 whose first header is 6.
fn is_tcp(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => frame.get(23) == Some(&6),
        Some([0x86, 0xdd]) => frame.get(20) == Some(&6),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(protocol: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0; length];
        (frame[12], frame[23]) = (8, protocol);
        frame
    }

    #[test]
    fn the_file_starts_as_the_format_says() {
        let golden = "d4c3b2a1 0200 0400 00000000 00000000 00080000 01000000".replace(' ', "");
        let header: String = file_header().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(header, golden);
    }

    #[test]
    fn a_short_capture_cuts_only_tcp() {
        let now = Duration::from_micros(1_000_002);
        let table = [
            (17, Capture::Short, 600, 600),
            (6, Capture::Short, 600, SHORT),
            (6, Capture::Short, 60, 60),
            (6, Capture::Full, 600, 600),
        ];
        for (protocol, keep, length, kept) in table {
            let record = record(&frame(protocol, length), keep, now);
            let numbers: Vec<_> =
                record[..16].chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
            assert_eq!(numbers, [1, 2, kept as u32, length as u32], "protocol {protocol}, {keep:?}");
            assert_eq!(record.len(), 16 + kept);
        }
    }
}
