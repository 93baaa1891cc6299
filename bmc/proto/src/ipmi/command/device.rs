//! The BMC itself: self test, resets (sections 20.2 to 20.4), and its maker's name.
//!
//! Get Device ID is `ipmi-rs-core`'s.

use crate::ipmi::{IpmiCommand, Message, NetFn, NotEnoughData};

/// Get Self Test Results (20.4). It tells of the last test and starts none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetSelfTestResults;

/// What a self test found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTest {
    /// Nothing.
    Passed,
    /// The BMC has no self test.
    NotImplemented,
    /// Data or devices that can't be read: a mask, see [`SelfTest::problems`].
    Damaged(u8),
    /// A fatal error of the hardware; the maker's number of it.
    Fatal(u8),
    /// The maker's own result.
    Other(u8, u8),
}

impl GetSelfTestResults {
    /// Its number under the application network function.
    pub const COMMAND: u8 = 0x04;
}

impl SelfTest {
    /// The two bytes of the answer.
    pub fn encode(self) -> [u8; 2] {
        match self {
            Self::Passed => [0x55, 0],
            Self::NotImplemented => [0x56, 0],
            Self::Damaged(mask) => [0x57, mask],
            Self::Fatal(number) => [0x58, number],
            Self::Other(first, second) => [first, second],
        }
    }

    /// What is wrong, in words; empty: nothing is known to be.
    pub fn problems(self) -> Vec<String> {
        const DAMAGES: [&str; 8] = [
            "the operational firmware is corrupt",
            "the boot block is corrupt",
            "the internal use area of the FRU data is corrupt",
            "the sensor data repository is empty",
            "the IPMB does not respond",
            "the FRU device of the BMC can't be accessed",
            "the sensor data repository can't be accessed",
            "the event log can't be accessed",
        ];
        match self {
            Self::Passed | Self::NotImplemented => vec![],
            Self::Damaged(mask) => {
                let set = (0..8).zip(DAMAGES).filter(|(bit, _)| mask >> bit & 1 != 0);
                set.map(|(_, words)| words.to_owned()).collect()
            }
            Self::Fatal(number) => vec![format!("fatal hardware error {number:#04x}")],
            Self::Other(first, second) => vec![format!("the maker's own result {first:#04x} {second:#04x}")],
        }
    }
}

impl From<GetSelfTestResults> for Message {
    fn from(_: GetSelfTestResults) -> Self {
        Self::new_request(NetFn::App, GetSelfTestResults::COMMAND, Vec::new())
    }
}

impl IpmiCommand for GetSelfTestResults {
    type Output = SelfTest;
    type Error = NotEnoughData;

    fn parse_success_response(data: &[u8]) -> Result<SelfTest, NotEnoughData> {
        let &[result, detail, ..] = data else { return Err(NotEnoughData) };
        Ok(match result {
            0x55 => SelfTest::Passed,
            0x56 => SelfTest::NotImplemented,
            0x57 => SelfTest::Damaged(detail),
            0x58 => SelfTest::Fatal(detail),
            other => SelfTest::Other(other, detail),
        })
    }
}

/// Restarts the BMC (20.2, 20.3); the machine goes on. Its answer may not come: the sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetBmc {
    /// All of it, with its settings as after switching on.
    Cold,
    /// With its settings kept. Many BMCs don't have it.
    Warm,
}

impl ResetBmc {
    /// Its number under the application network function.
    pub fn command(self) -> u8 {
        match self {
            Self::Cold => 0x02,
            Self::Warm => 0x03,
        }
    }
}

impl From<ResetBmc> for Message {
    fn from(reset: ResetBmc) -> Self {
        Self::new_request(NetFn::App, reset.command(), Vec::new())
    }
}

impl IpmiCommand for ResetBmc {
    type Output = ();
    type Error = NotEnoughData;

    fn parse_success_response(_: &[u8]) -> Result<(), NotEnoughData> {
        Ok(())
    }
}

/// The usual name of a server's maker, by its IANA private enterprise number (20 bits, as Get Device ID has it).
pub fn manufacturer_name(number: u32) -> Option<&'static str> {
    Some(match number {
        2 | 20301 | 42817 => "IBM",
        9 | 5771 => "Cisco",
        11 => "HP",
        42 => "Sun Microsystems",
        63 => "Apple",
        107 => "Bull",
        116 => "Hitachi",
        119 => "NEC",
        186 => "Toshiba",
        343 => "Intel",
        373 => "Tatung",
        674 => "Dell",
        2011 => "Huawei",
        2623 => "ASUS",
        6569 | 20569 => "Inventec",
        6653 => "Tyan",
        7244 => "Quanta",
        10297 => "Advantech",
        10368 => "Fujitsu",
        10876 => "Supermicro",
        11129 => "Google",
        15370 => "Gigabyte",
        19046 => "Lenovo",
        20974 => "American Megatrends",
        21317 => "ATEN",
        25506 => "H3C",
        28458 => "Nokia",
        33049 => "Mellanox",
        37945 | 48512 => "Inspur",
        40092 => "Wiwynn",
        40981 => "Facebook",
        47196 => "HPE",
        49150 => "Vertiv",
        49622 => "ASRock Rack",
        49769 => "YADRO",
        51974 => "Raptor Computing Systems",
        52538 => "Ampere",
        _ => return None,
    })
}
