//! The admin commands by which a simulated disk erases itself (NVM Express Base Specification 2.0): it sanitizes by block
//! erase, at once.
//!
//! What a drive of flesh does besides (progress, failures, formats) is tried in the agent's own tests.

use super::{DiskFault, OpenSimDisk};
use images_agent::{AdminCommand, Nvme};
use std::io;

impl Nvme for OpenSimDisk {
    fn namespace(&self) -> io::Result<u32> {
        Ok(1)
    }

    fn admin(&self, command: &AdminCommand, data: &mut [u8]) -> io::Result<()> {
        let fault = self.check(0, 0)?;
        let unknown = || Err(io::Error::other(format!("NVMe status: type 0, code 0x01, for {command:?}")));
        match (command.opcode, command.cdw10 & 0xff) {
            // Identify Controller: SANICAP with block erase, one namespace.
            (0x06, 1) if data.len() == 4096 => (data[328], data[516]) = (0b10, 1),
            // Sanitize status: never, or completed.
            (0x02, 0x81) if data.len() == 512 => data[2] = u8::from(self.platter.inner().sanitized),
            // Sanitize, block erase.
            (0x84, 2) => {
                let bytes = self.platter.bytes;
                self.change(|content| {
                    if fault != Some(DiskFault::LosesWrites) {
                        content.zero(0..bytes);
                    }
                })?;
                self.platter.inner().sanitized = true;
            }
            _ => return unknown(),
        }
        Ok(())
    }
}
