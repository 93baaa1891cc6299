//! The settings by themselves: noise, the anonymous user, users of one name.

use super::admin::Admin;
use super::group::{Group, Request};
use super::lan::LanIdentity;
use super::users::{User, UserTable};
use crate::MemoryChassis;
use bmc_proto::ipmi::NetFn;
use bmc_proto::ipmi::handshake::privilege;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn table(users: &[User]) -> Arc<Mutex<UserTable>> {
    Arc::new(Mutex::new(UserTable::new(users)))
}

fn admin(users: &Arc<Mutex<UserTable>>) -> Admin {
    let chassis = Arc::new(MemoryChassis::new());
    Admin::new(Arc::clone(users), LanIdentity::default(), vec![17, 3], chassis)
}

fn request(netfn: u8, command: u8, body: &[u8]) -> Request<'_> {
    Request {
        netfn: NetFn::from(netfn),
        command,
        body,
        privilege: privilege::ADMINISTRATOR,
        session: 1,
        power: true,
        unix: 1,
        now: Duration::from_secs(1),
    }
}

/// Completion code of a request under the application network function.
fn ask(admin: &Admin, command: u8, body: &[u8]) -> u8 {
    admin.execute(&request(6, command, body)).unwrap().0
}

#[test]
fn users_are_found_by_name() {
    let twins =
        [User::operator("twin", "first"), User::administrator("twin", "second"), User::reader("a", "b")];
    let users = table(&twins);
    let find = |name: &[u8]| users.lock().unwrap().find(name);
    let twin = find(b"twin").unwrap();
    assert_eq!((twin.slot, twin.limit, twin.enabled), (2, privilege::OPERATOR, true));
    assert_eq!(&twin.password[..6], b"first\0");
    assert!(find(b"nobody").is_none());
    // The empty slots have the anonymous user's name, and are not the anonymous user.
    let anonymous = find(b"").unwrap();
    assert_eq!((anonymous.slot, anonymous.enabled), (1, false));

    let admin = admin(&users);
    assert_eq!(ask(&admin, 0x47, &[2, 0]), 0);
    let twin = find(b"twin").unwrap();
    assert_eq!((twin.slot, twin.limit), (3, privilege::ADMINISTRATOR), "the disabled one is passed over");
    assert_eq!(ask(&admin, 0x47, &[3, 0]), 0);
    assert!(!find(b"twin").unwrap().enabled);
    // Enabled, but without messaging: as good as disabled.
    assert_eq!(ask(&admin, 0x47, &[2, 1]), 0);
    assert_eq!(ask(&admin, 0x43, &[0x81, 2, 4]), 0);
    assert!(!find(b"twin").unwrap().enabled);
    assert_eq!(ask(&admin, 0x43, &[0x91, 2, 15]), 0);
    assert!(!find(b"twin").unwrap().enabled, "no access");
    assert_eq!(ask(&admin, 0x43, &[0x91, 2, 4]), 0);
    assert_eq!(find(b"twin").unwrap().limit, privilege::ADMINISTRATOR);
}

proptest! {
    #[test]
    fn noise_is_harmless(
        noise in proptest::collection::vec(
            (prop_oneof![Just(0u8), Just(6), Just(0x0C), Just(0x2C)], 0u8..0x60,
             prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..24),
                // Most commands look at a channel, a group or a slot first.
                proptest::collection::vec(0u8..20, 0..8).prop_map(|body| [&[1], &body[..]].concat()),
                proptest::collection::vec(0u8..70, 0..8).prop_map(|body| [&[0xDC], &body[..]].concat()),
             ]),
            1..60,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _inside = runtime.enter();
        let users = table(&[User::administrator("admin", "secret")]);
        let admin = admin(&users);
        for (netfn, command, body) in &noise {
            if let Some((completion, data)) = admin.execute(&request(*netfn, *command, body)) {
                prop_assert!(data.len() <= 40);
                prop_assert!(completion == 0 || data.is_empty());
            }
        }
        prop_assert!(admin.asset_tag().len() <= 63);
        prop_assert!((1..=16).all(|slot| admin.users().slot(slot).is_some()));
        prop_assert!(admin.users().slot(0).is_none() && admin.users().slot(17).is_none());
    }
}
