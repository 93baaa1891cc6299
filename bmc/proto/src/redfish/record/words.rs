//! Which properties hold what tells whose a machine is, by their names; and which values tell nothing.

use super::shapes::Kind;

/// Endings of names, in lower case without signs between words, and what the values of such properties are. The first
/// that fits counts.
const NAMES: [(&str, Kind); 90] = [
    // Secrets. Names of settings about passwords end otherwise, or have values that are no words of anybody's.
    ("password", Kind::Secret),
    ("passwd", Kind::Secret),
    ("passphrase", Kind::Secret),
    ("passcode", Kind::Secret),
    ("secret", Kind::Secret),
    ("secretkey", Kind::Secret),
    ("token", Kind::Secret),
    ("credential", Kind::Secret),
    ("credentials", Kind::Secret),
    ("privatekey", Kind::Secret),
    ("publickey", Kind::Secret),
    ("sshkey", Kind::Secret),
    ("licensekey", Kind::Secret),
    ("activationkey", Kind::Secret),
    ("encryptionkey", Kind::Secret),
    ("authenticationkey", Kind::Secret),
    ("ipmikey", Kind::Secret),
    ("kgkey", Kind::Secret),
    ("hashkey", Kind::Secret),
    ("presharedkey", Kind::Secret),
    ("licensestring", Kind::Secret),
    ("certificatestring", Kind::Secret),
    ("communitystring", Kind::Secret),
    ("communitystrings", Kind::Secret),
    ("communityname", Kind::Secret),
    ("chapsecret", Kind::Secret),
    ("httpheaders", Kind::Secret),
    ("apikey", Kind::Secret),
    ("accesskey", Kind::Secret),
    ("sharedkey", Kind::Secret),
    ("masterkey", Kind::Secret),
    // iDRAC: `Users.2.SHA256PasswordSalt`, `Users.2.SHA1v3Key`, `SNMP.1.AgentCommunity`.
    // https://github.com/dell/iDRAC-Redfish-Scripting (attributes of a server configuration profile)
    ("passwordsalt", Kind::Secret),
    ("passwordhash", Kind::Secret),
    ("v3key", Kind::Secret),
    ("community", Kind::Secret),
    // iLO: `ReadCommunities`, `TrapCommunities`. https://hewlettpackard.github.io/ilo-rest-api-docs/ilo5/
    ("communities", Kind::Secret),
    // Numbers of things.
    ("serialnumber", Kind::Serial),
    ("serialno", Kind::Serial),
    ("boardserial", Kind::Serial),
    ("chassisserial", Kind::Serial),
    ("systemserial", Kind::Serial),
    ("productserial", Kind::Serial),
    ("servicetag", Kind::Serial),
    ("servicecode", Kind::Serial),
    ("expressservicecode", Kind::Serial),
    ("nodeid", Kind::Serial),
    ("sku", Kind::Serial),
    ("durablename", Kind::Serial),
    ("wwn", Kind::Serial),
    ("wwnn", Kind::Serial),
    ("wwpn", Kind::Serial),
    ("worldwidename", Kind::Serial),
    ("protectedidentificationnumber", Kind::Serial),
    ("iscsiname", Kind::Serial),
    ("initiatorname", Kind::Serial),
    ("engineid", Kind::Serial),
    ("uuid", Kind::Uuid),
    ("guid", Kind::Uuid),
    ("macaddress", Kind::Octets),
    ("macaddr", Kind::Octets),
    ("mac", Kind::Octets),
    // Names of machines and people.
    ("hostname", Kind::Host),
    ("fqdn", Kind::Host),
    ("domainname", Kind::Host),
    ("dnsname", Kind::Host),
    ("dnsracname", Kind::Host),
    ("servername", Kind::Host),
    ("commonname", Kind::Host),
    ("nameservers", Kind::Host),
    ("ntpservers", Kind::Host),
    ("serviceaddresses", Kind::Host),
    ("searchdomains", Kind::Host),
    ("username", Kind::User),
    ("createdbyuser", Kind::User),
    // Words of the owner's.
    ("assettag", Kind::Words),
    ("distinguishedname", Kind::Words),
    ("distinguishednames", Kind::Words),
    ("remotegroup", Kind::Words),
    ("remoteuser", Kind::Words),
    ("postaladdress", Kind::Words),
    ("contacts", Kind::Words),
    ("contact", Kind::Words),
    ("contactname", Kind::Words),
    ("placement", Kind::Words),
    ("rackname", Kind::Words),
    ("roomname", Kind::Words),
    ("datacentername", Kind::Words),
    ("syslocation", Kind::Words),
    ("serverlocation", Kind::Words),
    ("custompostmessage", Kind::Words),
];

/// Names as a whole, for words that end many others.
const WHOLE: [(&str, Kind); 18] = [
    ("serial", Kind::Serial),
    ("issuer", Kind::Words),
    ("subject", Kind::Words),
    ("fingerprint", Kind::Words),
    ("alternativenames", Kind::Words),
    ("latitude", Kind::Words),
    ("longitude", Kind::Words),
    ("altitudemeters", Kind::Words),
    ("context", Kind::Words),
    ("adminname", Kind::Words),
    ("adminemail", Kind::Words),
    ("adminphone", Kind::Words),
    ("adminotherinfo", Kind::Words),
    ("serverotherinfo", Kind::Words),
    ("ownername", Kind::Words),
    ("destination", Kind::Words),
    ("licenseinfo", Kind::Secret),
    ("kg", Kind::Secret),
];

/// What the values of a property of this name are, if they tell whose it is.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    if name.contains('@') {
        return None;
    }
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // `SSHPublicKey1`, `MACAddress2`.
    let plain = plain.trim_end_matches(|c: char| c.is_ascii_digit());
    let whole = WHOLE.iter().find(|(whole, _)| *whole == plain).map(|(_, kind)| *kind);
    whole.or_else(|| NAMES.iter().find(|(end, _)| plain.ends_with(end)).map(|(_, kind)| *kind))
}

/// Whether a property's values are versions: four numbers with dots in them are no address.
pub(super) fn is_version(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["version", "revision", "release", "build", "firmware"].iter().any(|word| name.contains(word))
}

/// Users that BMCs are sold with, and roles: they tell nothing, and links and roles are called the same.
const USERS: [&str; 14] = [
    "root",
    "admin",
    "administrator",
    "userid",
    "operator",
    "readonly",
    "readonlyuser",
    "user",
    "guest",
    "anonymous",
    "none",
    "hostautofw",
    "callback",
    "oem",
];

/// Words that stand where a value is missing, and words of settings.
const NOTHING: [&str; 34] = [
    "n/a",
    "na",
    "none",
    "null",
    "unknown",
    "default",
    "default string",
    "not available",
    "not specified",
    "not present",
    "no asset tag",
    "to be filled by o.e.m.",
    "to be filled by oem",
    "system serial number",
    "chassis serial number",
    "base board serial number",
    "no dimm",
    "no module installed",
    "empty",
    "enabled",
    "disabled",
    "enable",
    "disable",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "auto",
    "dhcp",
    "static",
    "localhost",
    "unspecified",
];

/// Whether a value of this kind tells nothing: an empty one, a word in its place, the same sign again and again. A secret
/// may be made of anything.
pub(super) fn is_nothing(kind: Kind, value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    if matches!(kind, Kind::Secret | Kind::Prose) {
        return value.is_empty() || NOTHING.contains(&value.as_str());
    }
    let mut signs = value.chars().filter(|sign| !" :.-_".contains(*sign));
    let first = signs.next();
    signs.all(|sign| Some(sign) == first) || NOTHING.contains(&value.as_str())
}

/// Words that many resources, links and texts have: a host or a user of this name is replaced where its property is, not
/// everywhere.
const COMMON: [&str; 22] = [
    "server",
    "system",
    "systems",
    "self",
    "bmc",
    "idrac",
    "ilo",
    "xcc",
    "ibmc",
    "node",
    "chassis",
    "manager",
    "host",
    "machine",
    "computer",
    "power",
    "test",
    "local",
    "embedded",
    "baseboard",
    "redfish",
    "service",
];

/// Whether a value can be replaced wherever it stands, without harm to words that are the same by chance.
pub(super) fn is_peculiar(kind: Kind, value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if COMMON.contains(&lower.as_str()) || !value.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    match kind {
        Kind::Serial | Kind::Words => value.len() >= 5 && digit,
        Kind::Host => value.len() >= 4,
        Kind::User => value.len() >= 3 && !USERS.contains(&lower.as_str()),
        Kind::Secret => value.len() >= 5,
        Kind::Octets | Kind::Uuid | Kind::V4 | Kind::V6 | Kind::Mail | Kind::Url => true,
        Kind::Prose => false,
    }
}

/// Whether a user of this name is told as it is.
pub(super) fn is_common_user(name: &str) -> bool {
    USERS.contains(&name.to_ascii_lowercase().as_str())
}
