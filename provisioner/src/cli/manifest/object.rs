//! What may be declared. Each value is checked while it is read, so that the reader can tell where it stands.
//!
//! What a file does not say is left as it is. Secrets are not here: only the files that hold them.

use crate::{
    cli::{
        args::{boot_mode, erase, erase_or_none, number_or_none},
        bmc_url, validate,
    },
    config::value::dns_label,
    selector::{Selector, selector},
};
use jiff::Timestamp;
use provisioner_api::{
    BmcSpec, BootMode, DhcpMode, DiskHints, ErasePolicy, Growth, ImageFormat, SeedKind, SpreadBy,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use std::{collections::BTreeMap, fmt, net::Ipv4Addr, path::PathBuf};

/// Reads a text by a function that says what is wrong with it.
struct Text<T>(fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Values that are read by a function.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($of:ty) by $read:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub(in crate::cli) struct $name(pub(in crate::cli) $of);

        impl $name {
            /// Reads it.
            pub(in crate::cli::manifest) fn read(text: &str) -> Result<Self, String> {
                let read: fn(&str) -> Result<$of, String> = $read;
                read(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Text(Self::read))
            }
        }
    )*};
}

texts! {
    /// What machines, instances, pools and groups are called.
    Name(String) by dns_label;
    /// An image's name.
    ImageName(String) by validate::image_name;
    /// A MAC address, in lower case with `:`.
    Mac(String) by validate::mac;
    /// A BMC, as `machine add --bmc` takes it.
    Bmc(BmcSpec) by bmc_url::parse;
    /// A zone or a rack.
    Spot(String) by validate::place;
    /// A label's key.
    LabelKey(String) by |text| validate::label(&format!("{text}=")).map(|(key, _)| key);
    /// A label's value.
    LabelValue(String) by |text| validate::label(&format!("key={text}")).map(|(_, value)| value);
    /// How firmware boots.
    Firmware(BootMode) by boot_mode;
    /// A boot chain, or `network` for what the network says.
    Chain(validate::ChainChoice) by validate::chain_choice;
    /// `true` or `false`.
    Switch(bool) by switch;
    /// A machine's name or id.
    Reference(String) by some;
    /// What labels have to be, as `kubectl -l` takes it.
    Labels(Selector) by selector;
    /// A number of something, from 1.
    Count(u32) by number;
    /// A size such as `64GiB`, in bytes.
    Size(u64) by validate::size;
    /// A CPU architecture.
    Architecture(String) by validate::architecture;
    /// Over what a group is spread.
    Over(SpreadBy) by validate::spread_by;
    /// A point in time. No duration: that would be another time with each run.
    Time(Timestamp) by time;
    /// A host name.
    Host(String) by validate::hostname;
    /// A user's name.
    User(String) by validate::user;
    /// SSH public keys, one a line.
    Keys(Vec<String>) by |text| validate::ssh_keys(text).map_err(|why| format!("this {why}"));
    /// A serial number.
    Serial(String) by some;
    /// Which disk gets the system.
    RootDisk(DiskHints) by validate::root_disk;
    /// How disks are wiped.
    Erase(ErasePolicy) by erase;
    /// A file's digest.
    Digest(String) by validate::digest;
    /// What an image file holds.
    ImageKind(ImageFormat) by validate::image_format;
    /// A kernel's command line.
    CommandLine(String) by validate::command_line;
    /// A network's name.
    NetworkName(String) by some;
    /// An IPv4 address.
    Address(Ipv4Addr) by validate::address;
    /// What something is for, in people's words; an empty text: nothing is said.
    Words(String) by words;
    /// The least that is done to a disk when it is wiped, or `none`.
    LeastErase(Option<ErasePolicy>) by |text| erase_or_none(text).map(|given| given.0);
    /// How many machines may be in use at once, or `none`: all.
    MostMachines(Option<u32>) by |text| number_or_none(text).map(|given| given.0);
    /// What DHCP does on a network.
    Dhcp(DhcpMode) by dhcp;
    /// A subnet in CIDR.
    Cidr(String) by cidr;
}

fn words(text: &str) -> Result<String, String> {
    let right = text.chars().count() <= 500 && !text.chars().any(char::is_control);
    if right { Ok(text.to_owned()) } else { Err("write one line of 500 characters at most".to_owned()) }
}

fn dhcp(text: &str) -> Result<DhcpMode, String> {
    serde_json::from_value(text.into()).map_err(|_| "use full, reserved-only, proxy or off".to_owned())
}

fn cidr(text: &str) -> Result<String, String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let length = length.parse::<u8>().ok().filter(|length| *length <= 32)?;
        Some(format!("{}/{length}", address.parse::<Ipv4Addr>().ok()?))
    });
    parsed.ok_or_else(|| format!("`{text}` is no IPv4 subnet; write it like 10.77.0.0/24"))
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

fn some(text: &str) -> Result<String, String> {
    let right = !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
    if right { Ok(text.to_owned()) } else { Err("it is empty, or no single line of text".to_owned()) }
}

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no whole number from 1 on"))
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{text}` is no time; write it like 2026-12-24T18:00:00Z"))
}

/// Which kind of object a document is about; everything else in it is read again by its kind.
#[derive(Debug, Deserialize)]
pub(super) struct Kinded {
    /// One of [`Kind`].
    pub(super) kind: KindWord,
}

texts! {
    /// Which kind.
    KindWord(Kind) by kind;
}

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    Pool,
    Network,
    Reservation,
    Image,
    Machine,
    Instance,
}

impl Kind {
    /// All of them, in the order in which one may need another.
    pub(super) const ALL: [Self; 6] =
        [Self::Pool, Self::Network, Self::Reservation, Self::Image, Self::Machine, Self::Instance];

    /// What files call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Network => "network",
            Self::Reservation => "reservation",
            Self::Image => "image",
            Self::Machine => "machine",
            Self::Instance => "instance",
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.word() == text);
    known.ok_or_else(|| {
        format!("`{text}` is no kind; there are pool, network, reservation, image, machine and instance")
    })
}

/// A pool, and its policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct PoolDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) name: Name,
    #[serde(default)]
    pub(in crate::cli) description: Option<Words>,
    #[serde(default)]
    pub(in crate::cli) erase: Option<LeastErase>,
    #[serde(default)]
    pub(in crate::cli) max_machines: Option<MostMachines>,
}

/// A network as the service is to have it: its configuration file declares it, so a difference is a mistake. What is reserved
/// on it is data, and made so.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct NetworkDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) name: NetworkName,
    #[serde(default)]
    pub(in crate::cli) interface: Option<Reference>,
    #[serde(default)]
    pub(in crate::cli) dhcp: Option<Dhcp>,
    #[serde(default)]
    pub(in crate::cli) discovery: Option<Switch>,
    /// The subnet of its link.
    #[serde(default)]
    pub(in crate::cli) subnet: Option<Cidr>,
    #[serde(default)]
    pub(in crate::cli) gateway: Option<Address>,
    /// Some of what is reserved on it; what is reserved beside stays.
    #[serde(default)]
    pub(super) reservations: Option<Vec<ReservedDoc>>,
}

impl NetworkDoc {
    /// The reservations, as if each was declared by itself.
    pub(super) fn reservations(&mut self) -> Vec<ReservationDoc> {
        let all = self.reservations.take().unwrap_or_default().into_iter();
        let one = |ReservedDoc { mac, address }| ReservationDoc {
            _kind: KindWord(Kind::Reservation),
            network: self.name.clone(),
            mac,
            address,
        };
        all.map(one).collect()
    }
}

/// What is reserved on the network in which it stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservedDoc {
    mac: Mac,
    address: Address,
}

/// A machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct MachineDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) name: Name,
    #[serde(default)]
    pub(in crate::cli) pool: Option<Name>,
    #[serde(default)]
    pub(in crate::cli) macs: Option<Vec<Mac>>,
    #[serde(default)]
    pub(in crate::cli) bmc: Option<Bmc>,
    /// File with the BMC's password.
    #[serde(default)]
    pub(in crate::cli) bmc_password_file: Option<PathBuf>,
    /// File with the BMC's key Kg.
    #[serde(default)]
    pub(in crate::cli) bmc_key_file: Option<PathBuf>,
    /// File with the CA certificates that the BMC's certificate has to be signed by.
    #[serde(default)]
    pub(in crate::cli) bmc_tls_ca: Option<PathBuf>,
    /// Whether these labels are some of those that it is to have: in a table each column tells of one.
    #[serde(skip)]
    pub(in crate::cli) some_labels: bool,
    /// All labels that it is to have.
    #[serde(default)]
    pub(in crate::cli) labels: Option<BTreeMap<LabelKey, LabelValue>>,
    #[serde(default)]
    pub(in crate::cli) zone: Option<Spot>,
    #[serde(default)]
    pub(in crate::cli) rack: Option<Spot>,
    #[serde(default)]
    pub(in crate::cli) boot_mode: Option<Firmware>,
    #[serde(default)]
    pub(in crate::cli) boot_chain: Option<Chain>,
    #[serde(default)]
    pub(in crate::cli) maintenance: Option<Switch>,
    #[serde(default)]
    pub(in crate::cli) protected: Option<Switch>,
    #[serde(default)]
    pub(in crate::cli) retired: Option<Switch>,
}

impl Eq for LabelKey {}

impl PartialOrd for LabelKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LabelKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl MachineDoc {
    /// The labels, if any are said.
    pub(in crate::cli) fn labels(&self) -> Option<BTreeMap<String, String>> {
        let labels = self.labels.as_ref()?.iter();
        Some(labels.map(|(key, value)| (key.0.clone(), value.0.clone())).collect())
    }
}

/// An instance.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct InstanceDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) name: Name,
    pub(in crate::cli) image: ImageName,
    #[serde(default)]
    pub(in crate::cli) machine: Option<Reference>,
    #[serde(default)]
    pub(in crate::cli) pool: Option<Name>,
    #[serde(default)]
    pub(in crate::cli) selector: Option<Labels>,
    #[serde(default)]
    pub(in crate::cli) minimum: Option<MinimumDoc>,
    #[serde(default)]
    pub(in crate::cli) architecture: Option<Architecture>,
    #[serde(default)]
    pub(in crate::cli) zone: Option<Spot>,
    #[serde(default)]
    pub(in crate::cli) spread: Option<Name>,
    #[serde(default)]
    pub(in crate::cli) spread_by: Option<Over>,
    #[serde(default)]
    pub(in crate::cli) prefer_machine: Option<Reference>,
    #[serde(default)]
    pub(in crate::cli) sticky: Option<Switch>,
    #[serde(default)]
    pub(in crate::cli) deadline: Option<Time>,
    #[serde(default)]
    pub(in crate::cli) protected: Option<Switch>,
    #[serde(default)]
    pub(in crate::cli) hostname: Option<Host>,
    #[serde(default)]
    pub(in crate::cli) user: Option<User>,
    /// The keys themselves, one a line.
    #[serde(default)]
    pub(in crate::cli) ssh_keys: Option<Vec<Keys>>,
    /// Files with keys.
    #[serde(default)]
    pub(in crate::cli) ssh_key_files: Option<Vec<PathBuf>>,
    #[serde(default)]
    pub(in crate::cli) user_data_file: Option<PathBuf>,
    /// A model of interfaces, YAML or JSON.
    #[serde(default)]
    pub(in crate::cli) network_file: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) network_config_file: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) root_disk_serial: Option<Serial>,
    /// As `instance create --root-disk` takes it.
    #[serde(default)]
    pub(in crate::cli) root_disk: Option<RootDisk>,
    #[serde(default)]
    pub(in crate::cli) erase: Option<Erase>,
}

/// The least that a machine must have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct MinimumDoc {
    #[serde(default)]
    pub(in crate::cli) cores: Option<Count>,
    #[serde(default)]
    pub(in crate::cli) memory: Option<Size>,
    #[serde(default)]
    pub(in crate::cli) disk: Option<Size>,
    #[serde(default)]
    pub(in crate::cli) gpus: Option<Count>,
    #[serde(default)]
    pub(in crate::cli) nics: Option<Count>,
    #[serde(default)]
    pub(in crate::cli) nic_speed: Option<Count>,
}

/// An image: a disk's (`file`, `digest`, `format`), or a kernel and an initrd that run from RAM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct ImageDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) name: ImageName,
    #[serde(default)]
    pub(in crate::cli) file: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) digest: Option<Digest>,
    #[serde(default)]
    pub(in crate::cli) format: Option<ImageKind>,
    #[serde(default)]
    pub(in crate::cli) architecture: Option<Architecture>,
    #[serde(default)]
    pub(in crate::cli) signature: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) seed: Option<SeedKind>,
    #[serde(default)]
    pub(in crate::cli) grow: Option<Growth>,
    #[serde(default)]
    pub(in crate::cli) kernel: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) initrd: Option<PathBuf>,
    #[serde(default)]
    pub(in crate::cli) cmdline: Option<CommandLine>,
}

/// A reservation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct ReservationDoc {
    #[serde(rename = "kind")]
    _kind: KindWord,
    pub(in crate::cli) network: NetworkName,
    pub(in crate::cli) mac: Mac,
    pub(in crate::cli) address: Address,
}
