//! What one client may use up.

use super::*;

#[test]
fn a_loud_client_is_held_back_and_others_are_served() {
    in_namespace("dhcp::limits::a_loud_client_is_held_back_and_others_are_served", || async {
        let lab = Lab::start(|_| {}).await;
        let loud = Client::open("v1", [0x52, 0x54, 0, 0, 0, 0x10]);
        for _ in 0..200 {
            loud.send(&loud.message(1));
        }
        let mut other = Client::open("v1", MAC);
        other.discover().await;
        lab.told(|dhcp| dhcp.silence.as_deref() == Some("it sends more than a client may")).await;
        assert!(lab.counted(r#"billet_dhcp_dropped_total{network="lab",reason="client_rate"}"#));
        let answered = lab.directory.entries().iter().filter(|entry| entry.mac == loud.mac).count();
        assert!(answered < 40, "{answered} of 200 were told of");
    });
}
