//! Addresses that are taken out of the address plan: each by one, and given back with what had it.

use super::{super::*, NOW, on_both, store};
use crate::samples;
use std::{collections::BTreeSet, net::Ipv4Addr};

on_both! {
    an_address_is_taken_once
    an_instance_and_its_addresses_come_and_go_together
    addresses_of_a_scrapped_machines_instance_stay_taken
    what_was_looked_at_is_used_or_nothing
    a_pool_is_given_to_what_is_used_in_it_alone
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn new(last: u8, holder: Holder) -> NewAddress {
    NewAddress { address: at(last), network: "lab".into(), subnet: "10.0.0.0/24".into(), holder, pool: None }
}

fn named(last: u8, name: &str) -> NewAddress {
    new(last, Holder::Name(name.into()))
}

fn used(last: u8, name: &str) -> Use {
    Use { name: name.to_owned(), address: at(last), pool: None, since: NOW }
}

fn of(number: u128, last: u8) -> NewAddress {
    new(last, Holder::Instance { id: samples::instance(number).id, interface: "lan0".into() })
}

async fn an_address_is_taken_once() {
    let (_place, store) = store().await;
    store.address_claim(&named(9, "cp"), NOW).await.unwrap();
    for other in [named(9, "other"), named(8, "cp")] {
        let taken = store.address_claim(&other, NOW).await.unwrap_err();
        assert!(taken.is_address_taken(), "{taken}");
    }
    let reserved = pxe::leases::Reservation { mac: [2, 0, 0, 0, 0, 1], address: at(7) };
    store.reservation_insert("lab", reserved).await.unwrap();
    let taken = |network, last| store.address_taken(network, (at(1), at(last)), 0);
    assert_eq!(taken("lab", 254).await.unwrap(), BTreeSet::from([at(7), at(9)]));
    assert_eq!(taken("lab", 8).await.unwrap(), BTreeSet::from([at(7)]));
    assert_eq!(
        taken("other", 254).await.unwrap(),
        BTreeSet::from([at(9)]),
        "an address is one, whatever the network"
    );
    assert_eq!(store.address_named("cp").await.unwrap().unwrap().taken, named(9, "cp"));
    assert!(store.address_release("cp").await.unwrap());
    assert!(!store.address_release("cp").await.unwrap());
    assert!(store.address_named("cp").await.unwrap().is_none());
}

async fn an_instance_and_its_addresses_come_and_go_together() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    store.address_claim(&named(9, "cp"), NOW).await.unwrap();
    let insert = async |number: u128, addresses: Vec<NewAddress>, uses: &[&str]| {
        let uses = uses.iter().map(|name| used(9, name)).collect();
        let takes = Takes { addresses, uses };
        store.instance_insert_taking(&samples::instance(number), None, &takes, &[], NOW).await
    };
    insert(1, vec![of(1, 5), of(1, 6)], &["cp"]).await.unwrap();
    let taken = insert(2, vec![of(2, 4), of(2, 5)], &[]).await.unwrap_err();
    assert!(taken.is_address_taken(), "{taken}");
    let gone = insert(2, vec![of(2, 4)], &["gone"]).await.unwrap_err();
    assert!(matches!(gone, StoreError::AddressGone { .. }), "{gone}");
    assert!(store.instance_get(samples::instance(2).id).await.unwrap().is_none(), "all or nothing");
    let used = store.address_release("cp").await.unwrap_err();
    assert!(matches!(used, StoreError::InUse { .. }), "{used}");
    let rows = store.address_page(Some(at(5)), 9).await.unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.taken.clone(), row.used_by.join(","))).collect();
    assert_eq!(seen, [(of(1, 6), String::new()), (named(9, "cp"), "i1".into())]);
    assert_eq!(rows[0].instance_name.as_deref(), Some("i1"));
    let record = store.instance_get(samples::instance(1).id).await.unwrap().unwrap();
    assert_eq!(store.instance_delete(&record, None, &[], NOW).await.unwrap(), Swap::Updated);
    assert_eq!(store.address_all().await.unwrap(), [("lab".to_owned(), at(9))]);
    assert!(store.address_release("cp").await.unwrap());
}

async fn addresses_of_a_scrapped_machines_instance_stay_taken() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    let machine = samples::machine(1);
    store.machine_insert(&machine, &[], &[], NOW).await.unwrap();
    let takes = Takes { addresses: vec![of(1, 5)], uses: Vec::new() };
    store.instance_insert_taking(&samples::instance(1), None, &takes, &[], NOW).await.unwrap();
    let instance = store.instance_get(samples::instance(1).id).await.unwrap().unwrap();
    let machine = store.machine_get(machine.id()).await.unwrap().unwrap();
    let stale = InstanceRecord { version: instance.version + 1, ..instance.clone() };
    let gone = store.machine_and_instance_delete(&machine, Some(&stale), &[], NOW).await.unwrap();
    assert_eq!(gone, Swap::Stale);
    assert_eq!(store.address_page(None, 9).await.unwrap()[0].taken, of(1, 5), "nothing was done");
    let gone = store.machine_and_instance_delete(&machine, Some(&instance), &[], NOW).await.unwrap();
    assert_eq!(gone, Swap::Updated);
    let left = store.address_page(None, 9).await.unwrap();
    let Holder::Name(name) = &left[0].taken.holder else { panic!("it has a name: {left:?}") };
    assert_eq!((left.len(), left[0].taken.address), (1, at(5)));
    assert!(name.starts_with("scrap-") && crate::config::value::dns_label(name).is_ok(), "{name}");
    assert!(store.address_release(name).await.unwrap());
}

async fn what_was_looked_at_is_used_or_nothing() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    store.address_claim(&named(9, "cp"), NOW).await.unwrap();
    let seen = store.address_named("cp").await.unwrap().unwrap().to_use().unwrap();
    assert_eq!(seen, used(9, "cp"));
    let insert = async |number: u128, seen: &Use| {
        let takes = Takes { addresses: Vec::new(), uses: vec![seen.clone()] };
        store.instance_insert_taking(&samples::instance(number), None, &takes, &[], NOW).await
    };
    // Released, and claimed anew under that name: by another pool, at another time, as another address.
    let later = NOW + jiff::SignedDuration::from_millis(1);
    let pooled = NewAddress { pool: Some("b".into()), ..named(9, "cp") };
    for (again, when) in [(pooled, NOW), (named(9, "cp"), later), (named(8, "cp"), NOW)] {
        assert!(store.address_release("cp").await.unwrap());
        store.address_claim(&again, when).await.unwrap();
        let gone = insert(1, &seen).await.unwrap_err();
        assert!(matches!(gone, StoreError::AddressGone { .. }), "{gone}");
    }
    let seen = store.address_named("cp").await.unwrap().unwrap().to_use().unwrap();
    insert(1, &seen).await.unwrap();
}

async fn a_pool_is_given_to_what_is_used_in_it_alone() {
    let (_place, store) = store().await;
    store.image_insert(&samples::image()).await.unwrap();
    store.address_claim(&named(9, "cp"), NOW).await.unwrap();
    let of = used(9, "cp");
    let mut waits = samples::instance(1);
    waits.spec.pool = Some("a".into());
    let takes = Takes { addresses: Vec::new(), uses: vec![of.clone()] };
    store.instance_insert_taking(&waits, None, &takes, &[], NOW).await.unwrap();
    let given = store.address_give_pool(&of, "b").await.unwrap();
    assert_eq!(given, PoolGiven::Used(vec!["instance i1".into()]));
    let pool = async || store.address_named("cp").await.unwrap().unwrap().taken.pool;
    assert_eq!(pool().await, None, "nothing was done");
    let other = Use { address: at(8), ..of.clone() };
    assert_eq!(store.address_give_pool(&other, "a").await.unwrap(), PoolGiven::Stale);
    assert_eq!(store.address_give_pool(&of, "a").await.unwrap(), PoolGiven::Done);
    assert_eq!(pool().await.as_deref(), Some("a"));
    assert_eq!(store.address_give_pool(&of, "b").await.unwrap(), PoolGiven::Stale, "it has one");
}
