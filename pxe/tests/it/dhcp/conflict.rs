//! An address that somebody else uses is found out while the client makes up its mind.

use super::*;

#[test]
fn an_address_in_use_is_refused_and_kept_out_of_use() {
    in_namespace("dhcp::conflict::an_address_in_use_is_refused_and_kept_out_of_use", || async {
        let lab = Lab::start(|dhcp| dhcp.conflict_probe = true).await;
        // Another host has the first address of the range, and answers ARP for it.
        ip("addr add 10.77.0.100/32 dev v1");
        let mut client = Client::open("v1", [0x52, 0x54, 0, 0, 0, 0x66]);
        assert_eq!(client.discover().await.address, CLIENT, "the offer waits for nobody");
        lab.directory
            .entries_that(|entries| {
                entries.iter().any(|entry| {
                    entry.what == What::Conflict { address: CLIENT, with: Some(MAC) }
                        && entry.mac == [0x52, 0x54, 0, 0, 0, 0x66]
                })
            })
            .await;
        client.request(CLIENT, SERVER);
        assert_eq!(client.receive().await.kind, 6, "NAK");
        let second = client.discover().await.address;
        assert_ne!(second, CLIENT);
        client.request(second, SERVER);
        assert_eq!(client.receive().await, Reply { kind: 5, address: second });
        assert!(lab.counted(r#"billet_dhcp_conflicts_total{network="lab"} 1"#));
    });
}

#[test]
fn a_client_that_still_has_its_own_address_is_no_conflict() {
    in_namespace("dhcp::conflict::a_client_that_still_has_its_own_address_is_no_conflict", || async {
        let _lab = Lab::start(|dhcp| dhcp.conflict_probe = true).await;
        ip("addr add 10.77.0.100/32 dev v1");
        // The interface's own hardware address is the client's.
        let mut client = Client::open("v1", MAC);
        assert_eq!(client.discover().await.address, CLIENT);
        client.request(CLIENT, SERVER);
        assert_eq!(client.receive().await, Reply { kind: 5, address: CLIENT });
    });
}

#[test]
fn an_address_behind_a_relay_is_probed_by_echo() {
    in_namespace("dhcp::conflict::an_address_behind_a_relay_is_probed_by_echo", || async {
        let lab = Lab::start(|dhcp| dhcp.conflict_probe = true).await;
        let taken = Ipv4Addr::new(10, 78, 0, 10);
        ip("addr add 10.78.0.10/32 dev v1");
        let client = Client::open("v1", [0x52, 0x54, 0, 0, 0, 0x67]);
        let discover = || {
            let mut message = client.message(1);
            message[24..28].copy_from_slice(&[10, 78, 0, 1]);
            client.send(&message);
        };
        discover();
        lab.directory
            .entries_that(|entries| {
                entries.iter().any(|entry| entry.what == What::Conflict { address: taken, with: None })
            })
            .await;
        discover();
        let next = Ipv4Addr::new(10, 78, 0, 11);
        lab.told(|dhcp| dhcp.reply.as_deref() == Some("OFFER") && dhcp.address == Some(next)).await;
    });
}
