//! What no other test asks a server: leases, boot conversations, secrets, images, tokens, and what is thrown away.

use super::{super::*, NOW, on_both, password, record, store};
use crate::{keys::Sealed, samples};
use jiff::SignedDuration;
use provisioner_api::{JobKind, MachineState, Role};
use pxe::leases::{Block, Lease, LeaseState, NetworkWrite, RelayInfo, Reservation, Write};
use pxe_proto::trace::{Entry, Transfer, What};
use std::net::Ipv4Addr;

on_both! {
    leases_are_claimed_written_and_left
    boot_conversations_are_kept_in_order_and_bounded
    secrets_are_put_in_their_places_if_nobody_else_was_faster
    images_and_tokens_are_found_by_what_people_call_them
    a_log_in_is_what_its_user_is_and_ends_with_every_change_of_them
    the_last_administrator_who_can_get_in_stays
    windows_and_jobs_are_found_and_forgotten
    reservations_are_listed_and_ended
}

const BLOCK: Block = Block { first: 10, last: 19 };

fn lease(last: u32, relay: Option<RelayInfo>) -> Lease {
    Lease {
        address: Ipv4Addr::from(last),
        mac: [2, 0, 0, 0, 0, last as u8],
        state: LeaseState::Leased,
        expires: 9_000_000_000_000,
        client_id: relay.is_some().then(|| vec![1, 0, 255]),
        hostname: relay.is_some().then(|| "host".into()),
        relay,
        firmware: last.is_multiple_of(2),
    }
}

fn written(leases: &[Lease], block: Block) -> Vec<NetworkWrite> {
    let write = |lease: &Lease| Write { lease: lease.clone(), block, sequence: 0 };
    leases.iter().map(|lease| NetworkWrite { network: "lab".into(), write: write(lease) }).collect()
}

async fn leases_are_claimed_written_and_left() {
    let (_place, store) = store().await;
    for owner in ["a", "b"] {
        store.replica_beat(owner, 60_000, None).await.unwrap();
    }
    let claimed = store.replica_claim("a", "lab", &[BLOCK], 1).await.unwrap();
    assert_eq!(
        claimed.iter().map(|claim| (claim.block, claim.leases.len())).collect::<Vec<_>>(),
        [(BLOCK, 0)]
    );
    assert!(store.replica_claim("b", "lab", &[BLOCK], 1).await.unwrap().is_empty());
    let relay =
        RelayInfo { address: Some(Ipv4Addr::new(10, 0, 0, 1)), circuit_id: Some(vec![7]), remote_id: None };
    // Three, which are sent as four; a third of them has everything.
    let leases = [lease(10, None), lease(11, Some(relay)), lease(12, None)];
    assert_eq!(store.lease_commit("b", &written(&leases, BLOCK)).await.unwrap(), 0, "it is not its block");
    assert_eq!(store.lease_commit("a", &written(&leases, BLOCK)).await.unwrap(), 3);
    let again = Lease { state: LeaseState::Released, ..leases[2].clone() };
    assert_eq!(store.lease_commit("a", &written(std::slice::from_ref(&again), BLOCK)).await.unwrap(), 1);
    let stored = [leases[0].clone(), leases[1].clone(), again];
    assert_eq!(store.lease_page("lab", None, 9).await.unwrap(), stored);
    assert_eq!(store.lease_page("lab", Some(Ipv4Addr::from(10)), 1).await.unwrap(), stored[1..2]);
    assert_eq!(store.lease_at("lab", Ipv4Addr::from(11)).await.unwrap().as_ref(), Some(&stored[1]));
    assert_eq!(store.replica_elsewhere("b", "lab").await.unwrap().len(), 2, "a released one binds nobody");
    assert!(store.replica_elsewhere("a", "lab").await.unwrap().is_empty());
    assert_eq!(store.replica_beat("b", 60_000, Some(0)).await.unwrap().taken.len(), 1);
    store.replica_give_back("a", "lab", &[BLOCK]).await.unwrap();
    let claimed = store.replica_claim("b", "lab", &[BLOCK], 1).await.unwrap();
    assert_eq!(claimed[0].leases.len(), 3, "they come with their block");
    store.replica_leave("b").await.unwrap();
    assert_eq!(store.replica_beat("a", 60_000, None).await.unwrap().replicas, 1);
}

async fn boot_conversations_are_kept_in_order_and_bounded() {
    let (_place, store) = store().await;
    let entry = |id: u64, last: u8| {
        let what = What::Tftp { name: "snponly.efi".into(), stage: Transfer::Done { bytes: 5, millis: 1 } };
        (id, Arc::new(Entry { at: id, mac: [2, 0, 0, 0, 0, last], network: "lab".into(), what }))
    };
    let entries: Vec<_> = (1..=100).map(|id| entry(id, 1)).chain([entry(101, 2)]).collect();
    store.boot_trace_insert(&entries).await.unwrap();
    store.boot_trace_insert(&entries[..2]).await.unwrap();
    let mac = crate::text::format_mac([2, 0, 0, 0, 0, 1]);
    let ids = |entries: Vec<Numbered>| entries.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(store.boot_trace_list(&mac).await.unwrap()), (1..=100).collect::<Vec<_>>());
    assert_eq!(ids(store.boot_trace_newest(2).await.unwrap()), [100, 101]);
    store.boot_trace_trim(std::slice::from_ref(&mac), 10).await.unwrap();
    assert_eq!(ids(store.boot_trace_list(&mac).await.unwrap()), (91..=100).collect::<Vec<_>>());
    store.boot_trace_prune(93, 5).await.unwrap();
    assert_eq!(ids(store.boot_trace_newest(99).await.unwrap()), [97, 98, 99, 100, 101]);
}

async fn secrets_are_put_in_their_places_if_nobody_else_was_faster() {
    let (_place, store) = store().await;
    let machine = record(1, "52:54:00:00:00:01");
    let first = password(&machine);
    let put = async || store.secret_put(machine.id(), std::slice::from_ref(&first), &[], NOW).await.unwrap();
    assert_eq!(put().await, Swap::Stale, "there is no machine");
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    assert_eq!(put().await, Swap::Updated);
    let second =
        NewSecret { sealed: Some(Sealed { nonce: vec![2; 12], ciphertext: vec![0, 255] }), ..first.clone() };
    let settle = async |still: &NewSecret, put: &NewSecret| {
        store.secret_settle(still, std::slice::from_ref(put), &[], NOW).await.unwrap()
    };
    assert_eq!(settle(&first, &second).await, Swap::Updated);
    assert_eq!(settle(&first, &second).await, Swap::Stale);
    assert_eq!(store.secret_all(&first.owner).await.unwrap().get(first.name), second.sealed.as_ref());
    let none = NewSecret { sealed: None, ..first.clone() };
    assert_eq!(settle(&second, &none).await, Swap::Updated);
    assert_eq!(store.secret_get(&first.owner, first.name).await.unwrap(), None);
}

async fn images_and_tokens_are_found_by_what_people_call_them() {
    let (_place, store) = store().await;
    let image = samples::image();
    store.image_insert(&image).await.unwrap();
    let taken = store.image_insert(&image).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    let shown = |images: &[provisioner_api::Image]| images.iter().map(json).collect::<Vec<_>>();
    assert_eq!(shown(&store.image_list().await.unwrap()), [json(&image)]);
    let found = store.image_find(&image.name).await.unwrap();
    assert_eq!(shown(found.as_slice()), [json(&image)]);
    store.instance_insert(&samples::instance(1), None, &[], NOW).await.unwrap();
    let used = store.image_delete(image.id).await.unwrap_err();
    assert!(matches!(used, StoreError::InUse { .. }), "{used:?}");
    let instance = store.instance_find("i1").await.unwrap().unwrap();
    assert_eq!(store.instance_get(instance.id).await.unwrap().as_ref(), Some(&instance));
    assert_eq!(store.instance_name(instance.id).await.unwrap().as_deref(), Some("i1"));
    assert_eq!(store.instance_counts().await.unwrap(), [("pending".to_owned(), 1)]);
    assert_eq!(store.instance_rests().await.unwrap().len(), 1);
    assert_eq!(store.instance_delete(&instance, None, &[], NOW).await.unwrap(), Swap::Updated);
    store.image_delete(image.id).await.unwrap();
    let gone = store.instance_insert(&samples::instance(2), None, &[], NOW).await.unwrap_err();
    assert!(matches!(gone, StoreError::ImageGone { .. }), "{gone:?}");
    assert!(!store.token_any().await.unwrap());
    let admin = TokenRecord::admin("admin", NOW);
    store.token_insert("hash", &admin).await.unwrap();
    assert!(store.token_any().await.unwrap());
    assert_eq!(store.token_find("hash").await.unwrap().as_deref(), Some(&admin));
    assert_eq!(store.token_find("other").await.unwrap(), None);
    let taken = store.token_insert("other", &admin).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    let later = NOW + SignedDuration::from_hours(1);
    let tenant = TokenRecord {
        role: Role::Tenant,
        pools: Some(vec!["a".into(), "b".into()]),
        expires: Some(later),
        ..TokenRecord::admin("ci", NOW)
    };
    store.token_insert("other", &tenant).await.unwrap();
    assert!(!tenant.is_expired(NOW) && tenant.is_expired(later) && !admin.is_expired(later));
    assert_eq!(store.token_delete("admin").await.unwrap(), Revoked::Last, "the other one may not make any");
    store.token_used("other", later).await.unwrap();
    store.token_used("other", NOW).await.unwrap();
    let used = TokenRecord { used: Some(later), ..tenant };
    assert_eq!(store.token_list().await.unwrap(), [admin, used]);
    assert_eq!(store.token_delete("ci").await.unwrap(), Revoked::Done);
    assert_eq!(store.token_delete("ci").await.unwrap(), Revoked::Missing);
    assert_eq!(store.token_find("other").await.unwrap(), None);
}

async fn a_log_in_is_what_its_user_is_and_ends_with_every_change_of_them() {
    let (_place, store) = store().await;
    let user = UserRecord { pools: Some(vec!["a".into()]), ..samples::user("ann", Role::Tenant) };
    store.user_insert(&user).await.unwrap();
    let taken = store.user_insert(&user).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "name", .. }), "{taken:?}");
    assert_eq!(store.user_find("ann").await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user_find("bob").await.unwrap(), None);
    let later = NOW + SignedDuration::from_hours(1);
    assert!(store.session_insert("one", &user, (NOW, later)).await.unwrap());
    let found = store.token_find("one").await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.role, found.is_login), ("ann", Role::Tenant, true));
    assert_eq!((found.pools.as_deref(), found.expires), (Some(&["a".to_owned()][..]), Some(later)));
    assert_eq!(store.user_list().await.unwrap(), [UserRecord { login: Some(NOW), ..user.clone() }]);

    // Any change ends it, and a log-in by what was before is none.
    let next = UserRecord { role: Role::Viewer, ..user.clone() };
    assert_eq!(store.user_update(&user, &next).await.unwrap(), UserSwap::Updated);
    assert_eq!(store.token_find("one").await.unwrap(), None, "at once");
    assert_eq!(store.user_update(&user, &next).await.unwrap(), UserSwap::Stale);
    assert!(!store.session_insert("two", &user, (NOW, later)).await.unwrap());
    let known = store.user_find("ann").await.unwrap().unwrap();
    assert_eq!((known.version, known.role), (2, Role::Viewer));
    assert!(store.session_insert("two", &known, (NOW, later)).await.unwrap());
    assert!(store.token_find("two").await.unwrap().is_some());
    store.session_delete("two").await.unwrap();
    assert_eq!(store.token_find("two").await.unwrap(), None);

    // Many, and those whose time is over: what is kept is bounded.
    let begin = |number: i64| NOW + SignedDuration::from_secs(number);
    for number in 0..25 {
        let times = (begin(number), begin(100));
        assert!(store.session_insert(&format!("s{number}"), &known, times).await.unwrap());
        if number >= 19 {
            let found = store.token_find("s0").await.unwrap();
            assert_eq!(
                found.is_some(),
                number == 19,
                "{number}: it is refused as soon as another took its place"
            );
        }
    }
    let count = async || {
        let mut lent = store.reader.get().await.unwrap();
        super::super::db::sql("SELECT COUNT(*) FROM login_session").scalar::<i64>(&mut lent).await.unwrap()
    };
    assert_eq!(count().await, 20);
    assert_eq!(store.token_find("s0").await.unwrap(), None, "the oldest went");
    assert!(store.token_find("s24").await.unwrap().is_some());
    assert!(store.session_insert("new", &known, (begin(100), begin(200))).await.unwrap());
    assert_eq!(count().await, 1);
    let disabled = UserRecord { disabled: true, ..known.clone() };
    assert_eq!(store.user_update(&known, &disabled).await.unwrap(), UserSwap::Updated);
    let known = store.user_find("ann").await.unwrap().unwrap();
    assert!(!store.session_insert("no", &known, (NOW, later)).await.unwrap(), "it can't log in");
    assert_eq!(store.user_delete("ann", None).await.unwrap(), UserRemoval::Done);
    assert_eq!(store.user_delete("ann", None).await.unwrap(), UserRemoval::Missing);

    // One of that name who was made since is another.
    let anew = UserRecord { password: provisioner_api::Secret::new("$argon2id$anew"), ..user.clone() };
    store.user_insert(&anew).await.unwrap();
    assert!(!store.session_insert("old", &user, (NOW, later)).await.unwrap());
    assert_eq!(store.user_update(&user, &next).await.unwrap(), UserSwap::Stale);
    assert_eq!(store.user_find("ann").await.unwrap().as_ref(), Some(&anew));
    assert!(store.session_insert("new", &anew, (NOW, later)).await.unwrap());
    assert_eq!(
        store.user_update(&anew, &UserRecord { role: Role::Viewer, ..anew.clone() }).await.unwrap(),
        UserSwap::Updated
    );
}

async fn the_last_administrator_who_can_get_in_stays() {
    let (_place, store) = store().await;
    assert!(!store.token_any().await.unwrap());
    let root = samples::user("root", Role::Admin);
    store.user_insert(&root).await.unwrap();
    assert!(store.token_any().await.unwrap(), "no token is made for nobody");
    assert_eq!(store.user_delete("root", None).await.unwrap(), UserRemoval::Last);
    for next in
        [UserRecord { disabled: true, ..root.clone() }, UserRecord { role: Role::Operator, ..root.clone() }]
    {
        assert_eq!(store.user_update(&root, &next).await.unwrap(), UserSwap::Last);
    }
    let ending = TokenRecord { expires: Some(NOW), ..TokenRecord::admin("ending", NOW) };
    store.token_insert("ending", &ending).await.unwrap();
    assert_eq!(store.user_delete("root", None).await.unwrap(), UserRemoval::Last, "that one ends by itself");
    store.token_insert("lasting", &TokenRecord::admin("lasting", NOW)).await.unwrap();
    assert_eq!(store.token_delete("lasting").await.unwrap(), Revoked::Done, "the user is there");
    store.token_insert("lasting", &TokenRecord::admin("lasting", NOW)).await.unwrap();
    let demoted = UserRecord { role: Role::Operator, ..root.clone() };
    assert_eq!(store.user_update(&root, &demoted).await.unwrap(), UserSwap::Updated);
    assert_eq!(store.token_delete("lasting").await.unwrap(), Revoked::Last);
    assert_eq!(store.user_delete("root", None).await.unwrap(), UserRemoval::Done);
}

async fn windows_and_jobs_are_found_and_forgotten() {
    let (_place, store) = store().await;
    let mac = "52:54:00:00:00:01";
    let machine = record(1, mac);
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    assert_eq!(store.machine_ids().await.unwrap(), [machine.id()]);
    assert_eq!(store.machine_macs().await.unwrap(), [(mac.to_owned(), machine.id())]);
    assert_eq!(store.machine_id_by_mac(mac).await.unwrap(), Some(machine.id()));
    assert_eq!(store.machine_by_mac(mac).await.unwrap().as_ref(), Some(&machine));
    assert_eq!(store.machine_counts().await.unwrap().len(), 1);
    assert_eq!(store.machine_held_count().await.unwrap(), 0);
    let window = samples::window("w", mac);
    store.window_insert(&window).await.unwrap();
    assert_eq!(store.window_discovery(mac, NOW).await.unwrap().as_ref(), Some(&window));
    assert_eq!(store.window_discoveries(NOW).await.unwrap(), 1);
    let longer = Window { expires: NOW + SignedDuration::from_hours(2), ..window };
    store.window_extend(&longer).await.unwrap();
    assert_eq!(store.window_get("w").await.unwrap().as_ref(), Some(&longer));
    let later = |hours| NOW + SignedDuration::from_hours(hours);
    let mut known = machine;
    for number in 1..=2 {
        let mut next = known.clone();
        next.machine.state.name = MachineState::Inspecting;
        next.machine.job = Some(samples::job(number, JobKind::Inspect, Vec::new()));
        store.machine_update(&known, &next, &[], &[], NOW).await.unwrap();
        known = store.machine_get(known.id()).await.unwrap().unwrap();
    }
    let job = known.machine.job.as_ref().unwrap().id;
    store.window_insert(&Window { job: Some((job, 1)), ..samples::window("of job", mac) }).await.unwrap();
    assert_eq!(store.window_of_job(job, 1).await.unwrap().unwrap().id, "of job");
    store.job_prune(later(1)).await.unwrap();
    store.machines_missed(NOW, later(1)).await.unwrap();
    store.window_prune(later(9), later(9)).await.unwrap();
    assert_eq!(store.window_get("w").await.unwrap(), None);
    let known = store.machine_get(known.id()).await.unwrap().unwrap();
    assert_eq!(store.machine_delete(&known, &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.machine_delete(&known, &[], NOW).await.unwrap(), Swap::Stale);
}

async fn reservations_are_listed_and_ended() {
    let (_place, store) = store().await;
    let at = |last: u8, address: u8| Reservation {
        mac: [2, 0, 0, 0, 0, last],
        address: Ipv4Addr::new(10, 0, 0, address),
    };
    assert!(store.reservation_insert("lab", at(1, 1)).await.unwrap());
    assert!(!store.reservation_insert("lab", at(1, 1)).await.unwrap(), "it is so already");
    assert!(store.reservation_insert("lab", at(1, 3)).await.unwrap(), "it moves");
    assert!(store.reservation_insert("lab", at(2, 2)).await.unwrap());
    let taken = store.reservation_insert("lab", at(3, 2)).await.unwrap_err();
    assert!(matches!(taken, StoreError::Taken { field: "address", .. }), "{taken:?}");
    assert_eq!(store.reservation_list("lab").await.unwrap(), [at(2, 2), at(1, 3)]);
    let after = Some(Ipv4Addr::new(10, 0, 0, 2));
    assert_eq!(store.reservation_page("lab", after, 9).await.unwrap(), [at(1, 3)]);
    assert!(store.reservation_delete("lab", [2, 0, 0, 0, 0, 1]).await.unwrap());
    assert!(!store.reservation_delete("lab", [2, 0, 0, 0, 0, 1]).await.unwrap());
}
