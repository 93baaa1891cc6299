//! Golden bytes of the commands, as `ipmitool -v` shows them, and how answers are read.

use super::boot::{BootFlags, Device, GetBootFlags, SetBootOption};
use super::*;
use crate::ipmi::handshake::privilege;
use crate::ipmi::{IpmiCommand, Message};
use proptest::prelude::*;

fn bytes(message: impl Into<Message>) -> (u8, u8, String) {
    let message = message.into();
    (message.netfn_raw(), message.cmd(), hex::encode(message.data()))
}

#[test]
fn requests_are_golden() {
    let pxe_once_efi = BootFlags { valid: true, persistent: false, efi: true, device: Device::Network };
    let disk_always = BootFlags { valid: true, persistent: true, efi: false, device: Device::Disk };
    let table = [
        (bytes(GetChassisStatus), (0, 0x01, "")),
        (bytes(ChassisControl::PowerUp), (0, 0x02, "01")),
        (bytes(ChassisControl::PowerDown), (0, 0x02, "00")),
        (bytes(SetBootOption::in_progress(true)), (0, 0x08, "0001")),
        (bytes(SetBootOption::in_progress(false)), (0, 0x08, "0000")),
        (bytes(SetBootOption::keep_valid()), (0, 0x08, "0308")),
        (bytes(SetBootOption::acknowledge()), (0, 0x08, "040101")),
        (bytes(SetBootOption::flags(pxe_once_efi)), (0, 0x08, "05a004000000")),
        (bytes(SetBootOption::flags(disk_always)), (0, 0x08, "05c008000000")),
        (bytes(GetBootFlags), (0, 0x09, "050000")),
        (bytes(GetSystemGuid), (6, 0x37, "")),
        (bytes(SetSessionPrivilege(privilege::ADMINISTRATOR)), (6, 0x3B, "04")),
        (bytes(CloseSession { system_id: 0x0403_0201 }), (6, 0x3C, "01020304")),
    ];
    for ((netfn, command, data), expected) in table {
        assert_eq!((netfn, command, data.as_str()), expected);
    }
}

#[test]
fn answers_are_read() {
    let status = GetChassisStatus::parse_success_response(&[0x21, 0, 0x40, 0x70]).unwrap();
    assert!(status.power_on && !status.power_fault);
    assert!(!GetChassisStatus::parse_success_response(&[0x20, 0, 0]).unwrap().power_on);
    assert!(GetChassisStatus::parse_success_response(&[0x21]).is_err());
    let flags = GetBootFlags::parse_success_response(&[1, 0x85, 0xE0, 0x04, 0, 0, 0]).unwrap();
    assert_eq!(flags, BootFlags { valid: true, persistent: true, efi: true, device: Device::Network });
    assert!(GetBootFlags::parse_success_response(&[1, 5, 0]).is_err());
}

#[test]
fn guids_of_all_three_orders_give_the_same_uuid() {
    let text = "4c4c4544-0035-4300-8058-b7c04f4b3132";
    let rfc = "4c4c4544003543008058b7c04f4b3132";
    let table = [
        ("SMBIOS", "44454c4c350000438058b7c04f4b3132"),
        ("RFC", rfc),
        ("reversed", "32314b4fc0b758800043350044454c4c"),
    ];
    for (order, guid) in table {
        let guid: [u8; 16] = hex::decode(guid).unwrap().try_into().unwrap();
        assert_eq!(guid_to_uuid(guid).as_deref(), Some(text), "{order}");
    }
}

#[test]
fn odd_guids() {
    assert_eq!(guid_to_uuid([0; 16]), None);
    assert_eq!(guid_to_uuid([0xFF; 16]), None);
    // No version anywhere (as some boards have it): SMBIOS order.
    let guid: [u8; 16] = hex::decode("0000000000000000000000ac1f6b0102").unwrap().try_into().unwrap();
    assert_eq!(guid_to_uuid(guid).as_deref(), Some("00000000-0000-0000-0000-00ac1f6b0102"));
}

proptest! {
    #[test]
    fn flags_survive(valid: bool, persistent: bool, efi: bool, selector in 0u8..16) {
        let flags = BootFlags { valid, persistent, efi, device: Device::from_selector(selector) };
        prop_assert_eq!(BootFlags::decode(&flags.encode()), Some(flags));
        prop_assert_eq!(flags.device.selector(), selector);
    }

    #[test]
    fn a_random_uuid_survives(mut uuid: [u8; 16]) {
        uuid[6] = uuid[6] & 0x0F | 0x40;
        uuid[8] = uuid[8] & 0x3F | 0x80;
        let text = guid_to_uuid(uuid_to_guid(uuid)).unwrap().replace('-', "");
        prop_assert_eq!(text, hex::encode(uuid));
    }
}
