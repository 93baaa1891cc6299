//! The BMC's settings: users, network, channels, DCMI, lamp, watchdog, the BMC itself.

use super::rig::{PASSWORD, Rig, has, split};
use bmc_mock::Chassis;
use bmc_mock::ipmi::{DcmiParts, LanIdentity, UserQuirks};
use bmc_proto::ipmi::command::device::SelfTest;
use bmc_proto::ipmi::command::user::AccessLimit;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Slot of the first user that is born with the BMC.
const ADMIN: u8 = 2;

async fn users(rig: &Rig) {
    let text = rig.tool("user list 1").await;
    has(&text, &["2 admin true false true ADMINISTRATOR", "3 watch true false true OPERATOR"]);
    has(
        &rig.tool("user summary 1").await,
        &["Maximum IDs : 16", "Enabled User Count : 2", "Fixed Name Count : 1"],
    );
    rig.tool("user set name 4 carol").await;
    rig.tool("user set password 4 short-secret").await;
    rig.tool("user priv 4 3 1").await;
    rig.tool("channel setaccess 1 4 ipmi=on link=on privilege=2").await;
    let carol = ["user", "list", "1"];
    let refused = rig.output("carol", "short-secret", &carol).await;
    assert!(!refused.status.success(), "a disabled user logged in");
    rig.tool("user enable 4").await;
    let slot = rig.control.admin().users().slot(4).unwrap();
    assert_eq!((slot.name.as_str(), slot.enabled, slot.limit), ("carol", true, AccessLimit::User));
    assert_eq!(slot.password, b"short-secret");
    let logged_in = rig.output("carol", "short-secret", &["-L", "USER", "mc", "info"]).await;
    assert!(logged_in.status.success(), "{logged_in:?}");
    has(&rig.tool("user list 1").await, &["4 carol true true true USER"]);
    has(&rig.tool("user test 4 16 short-secret").await, &["Success"]);
    has(&rig.fails("user test 4 16 other-secret").await, &["password incorrect"]);
    has(&rig.fails("user test 4 20 short-secret").await, &["wrong password size"]);
    rig.tool("user set password 4 seventeen-letters 20").await;
    has(&rig.tool("user test 4 20 seventeen-letters").await, &["Success"]);
    rig.tool("user disable 4").await;
    assert!(!rig.control.admin().users().slot(4).unwrap().enabled);
    // The anonymous user's name is fixed, and there is no 17th.
    rig.fails("user set name 1 root").await;
    rig.fails("user set name 17 root").await;
    rig.tool("user set name 4 dave").await;
    assert_eq!(rig.control.admin().users().slot(4).unwrap().name, "dave");
}

/// Last, as it changes what the rig logs in with.
async fn own_password(rig: &Rig) {
    rig.tool("user set password 2 another-secret 16").await;
    let with = |password| rig.output("admin", password, &["mc", "info"]);
    assert!(!with(PASSWORD).await.status.success());
    assert!(with("another-secret").await.status.success());
    assert_eq!(rig.control.admin().users().slot(ADMIN).unwrap().password, b"another-secret");
}

async fn network(rig: &Rig) {
    rig.control.admin().set_lan(LanIdentity {
        address: Ipv4Addr::new(10, 1, 2, 3),
        netmask: Ipv4Addr::new(255, 255, 255, 0),
        gateway: Ipv4Addr::new(10, 1, 2, 254),
        mac: [2, 0, 0, 0xAA, 0xBB, 0xCC],
        vlan: Some(42),
        source: 2,
        ..LanIdentity::default()
    });
    has(
        &rig.tool("lan print 1").await,
        &[
            "Set in Progress : Set Complete",
            "IP Address Source : DHCP Address",
            "IP Address : 10.1.2.3",
            "Subnet Mask : 255.255.255.0",
            "MAC Address : 02:00:00:aa:bb:cc",
            "Default Gateway IP : 10.1.2.254",
            "802.1q VLAN ID : 42",
            "RMCP+ Cipher Suites : 17,3",
            "Cipher Suite Priv Max : aaXXXXXXXXXXXXX",
        ],
    );
    rig.tool("lan set 1 ipsrc static").await;
    rig.tool("lan set 1 ipaddr 10.9.8.7").await;
    rig.tool("lan set 1 netmask 255.255.0.0").await;
    rig.tool("lan set 1 defgw ipaddr 10.9.0.1").await;
    rig.tool("lan set 1 vlan id off").await;
    has(
        &rig.tool("lan print 1").await,
        &[
            "IP Address Source : Static Address",
            "IP Address : 10.9.8.7",
            "Subnet Mask : 255.255.0.0",
            "Default Gateway IP : 10.9.0.1",
            "802.1q VLAN ID : Disabled",
        ],
    );
    rig.control
        .admin()
        .set_lan(LanIdentity { ipv6: Some(("2001:db8::17".parse().unwrap(), 64)), ..LanIdentity::default() });
    has(
        &rig.tool("lan6 print 1").await,
        &[
            "IPv6/IPv4 Addressing Enables: both",
            "Static address max: 2",
            "IPv6 Static Address 0: Enabled: yes Address: 2001:db8::17/64 Status: active",
            "IPv6 Static Address 1: Enabled: no Address: ::/0 Status: disabled",
        ],
    );
    has(&rig.fails("lan print 2").await, &["Invalid channel: 2"]);
}

async fn channels(rig: &Rig) {
    has(
        &rig.tool("channel info 1").await,
        &[
            "Channel Medium Type : 802.3 LAN",
            "Channel Protocol Type : IPMB-1.0",
            "Session Support : multi-session",
            "Alerting : disabled",
            "User Level Auth : enabled",
            "Access Mode : always available",
        ],
    );
    // Not `tool`: this session is still open when ipmitool has ended.
    assert!(rig.output("admin", PASSWORD, &split("lan set 1 access off")).await.status.success());
    has(&rig.tool("channel info 1").await, &["Access Mode : disabled"]);
    rig.tool("lan set 1 access on").await;
    has(&rig.tool("channel info 1").await, &["Access Mode : always available"]);
    has(&rig.tool("channel info 15").await, &["System Interface", "session-less"]);
    has(
        &rig.tool("channel getaccess 1 2").await,
        &[
            "Maximum User IDs : 16",
            "User Name : admin",
            "Access Available : call-in / callback",
            "Link Authentication : disabled",
            "IPMI Messaging : enabled",
            "Privilege Level : ADMINISTRATOR",
            "Enable Status : enabled",
        ],
    );
    has(&rig.tool("channel getciphers ipmi 1").await, &["17", "hmac_sha256", "aes_cbc_128"]);
}

async fn dcmi(rig: &Rig) {
    has(&rig.tool("dcmi power reading").await, &["Instantaneous power reading: 12 Watts"]);
    rig.chassis.set_power(true).await.unwrap();
    has(
        &rig.tool("dcmi power reading").await,
        &[
            "Instantaneous power reading: 180 Watts",
            "Minimum during sampling period: 12 Watts",
            "Maximum during sampling period: 180 Watts",
            "Average power reading over sample period: 96 Watts",
            "Power reading state is: activated",
        ],
    );
    rig.chassis.set_power(false).await.unwrap();
    let tag = "rack-07-unit-12-of-the-old-machine-room-in-the-cellar";
    rig.tool(&format!("dcmi set_asset_tag {tag}")).await;
    has(&rig.tool("dcmi asset_tag").await, &[&format!("Asset tag: {tag}")]);
    assert_eq!(rig.control.admin().asset_tag(), tag.as_bytes());
    rig.tool("dcmi set_asset_tag exactly-16-bytes").await;
    has(&rig.tool("dcmi asset_tag").await, &["Asset tag: exactly-16-bytes"]);
    assert_eq!(rig.control.admin().asset_tag(), b"exactly-16-bytes");
    rig.tool("dcmi set_mc_id_string bmc-of-node-7").await;
    has(&rig.tool("dcmi get_mc_id_string").await, &["bmc-of-node-7"]);
    rig.control.admin().set_dcmi(DcmiParts { meter: false, texts: false });
    has(&rig.fails("dcmi power reading").await, &["Invalid command"]);
    rig.control.admin().set_dcmi(DcmiParts { meter: true, texts: true });
}

/// The lamp's bits of the chassis status (28.2, third byte); ipmitool has no words for them.
async fn lamp_bits(rig: &Rig) -> u8 {
    let text = rig.tool("raw 0 1").await;
    u8::from_str_radix(text.split_whitespace().nth(2).unwrap(), 16).unwrap() & 0x70
}

async fn lamp(rig: &Rig) {
    const OFF: u8 = 0x40;
    const TEMPORARY: u8 = 0x50;
    const ON: u8 = 0x60;
    assert_eq!(lamp_bits(rig).await, OFF);
    for (words, expected) in
        [("chassis identify force", ON), ("chassis identify 0", OFF), ("chassis identify 200", TEMPORARY)]
    {
        rig.tool(words).await;
        assert_eq!(lamp_bits(rig).await, expected, "{words}");
    }
    rig.control.advance(Duration::from_secs(201));
    assert_eq!(lamp_bits(rig).await, OFF);
    rig.control.admin().set_timed_lamp(true);
    rig.fails("chassis identify force").await;
    rig.tool("chassis identify").await;
    assert_eq!(lamp_bits(rig).await, TEMPORARY);
}

async fn watchdog(rig: &Rig) {
    has(&rig.fails("mc watchdog reset").await, &["uninitialized watchdog"]);
    // SMS/OS, power down, 60 s: ipmitool 1.8.19 can't set one by words.
    rig.tool("raw 6 0x24 0x44 0x02 0 0x3e 0x58 0x02").await;
    has(&rig.tool("mc watchdog get").await, &["Stopped", "Initial Countdown: 60.0 sec"]);
    rig.tool("mc watchdog reset").await;
    has(&rig.tool("mc watchdog get").await, &["SMS/OS", "Started/Running", "Power Down"]);
    rig.tool("mc watchdog off").await;
    has(&rig.tool("mc watchdog get").await, &["Stopped"]);
    // One of 0.1 s that switches the machine off.
    rig.chassis.set_power(true).await.unwrap();
    rig.tool("raw 6 0x24 0x04 0x02 0 0x3e 0x01 0x00").await;
    rig.tool("mc watchdog reset").await;
    let off = async {
        while rig.chassis.power().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), off).await.expect("the watchdog slept");
    has(&rig.tool("mc watchdog get").await, &["Stopped", "0x10"]);
}

async fn the_bmc_itself(rig: &Rig) {
    has(&rig.tool("mc selftest").await, &["passed"]);
    rig.control.admin().set_self_test(SelfTest::Damaged(0x80));
    has(&rig.fails("mc selftest").await, &["SEL device not accessible"]);
    rig.control.admin().set_self_test(SelfTest::Passed);
    has(&rig.tool("mc info").await, &["IPMI Version : 2.0", "Device Available : yes"]);
}

async fn all(suite: &'static str) {
    let Some(rig) = Rig::new(suite) else { return };
    users(&rig).await;
    network(&rig).await;
    channels(&rig).await;
    dcmi(&rig).await;
    lamp(&rig).await;
    watchdog(&rig).await;
    the_bmc_itself(&rig).await;
    own_password(&rig).await;
    rig.stop().await;
}

#[tokio::test]
async fn ipmitool_sets_everything_with_suite_17() {
    all("17").await;
}

#[tokio::test]
async fn ipmitool_sets_everything_with_suite_3() {
    all("3").await;
}

/// An operator may look at users, but neither change them nor the network; quirks are seen from outside.
#[tokio::test]
async fn what_is_not_allowed_is_refused() {
    let Some(rig) = Rig::new("17") else { return };
    let watch = |words: &'static str| {
        let words: Vec<_> = ["-L", "OPERATOR"].into_iter().chain(words.split(' ')).collect();
        let rig = &rig;
        async move { rig.output("watch", "secret", &words).await }
    };
    assert!(watch("user list 1").await.status.success());
    for words in
        ["user set name 3 root", "user enable 4", "lan set 1 ipaddr 10.0.0.1", "user set password 2 x 16"]
    {
        let output = watch(words).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // ipmitool doesn't say why it can't set the LAN.
        let why = words.starts_with("lan") || text.contains("nsufficient privilege");
        assert!(!output.status.success() && why, "{words}: {output:?}");
    }
    assert_eq!(rig.control.admin().users().slot(3).unwrap().name, "watch");
    has(&rig.tool("lan print 1").await, &["IP Address : 127.0.0.1"]);
    rig.control
        .admin()
        .users()
        .set_quirks(UserQuirks { short_passwords_only: true, ..UserQuirks::default() });
    rig.fails("user set password 3 seventeen-letters 20").await;
    rig.control.admin().users().set_quirks(UserQuirks { deaf: true, ..UserQuirks::default() });
    rig.tool("user set name 3 nobody").await;
    assert_eq!(rig.control.admin().users().slot(3).unwrap().name, "watch");
    rig.stop().await;
}
