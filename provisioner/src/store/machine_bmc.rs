//! Whose BMC is where: one BMC belongs to one machine, because with a mistyped address one machine's job would switch
//! another one's power.
//!
//! Places are compared as they are written. Deliberately not here: names that mean one address, and a BMC that is given
//! once by IPMI and once by Redfish; only the BMC itself could tell.

use super::{
    MachineRecord, StoreError,
    db::{Conn, Statement, sql},
};
use crate::bmcs::split_address;
use provisioner_api::{BmcProtocol, BmcSpec};
use std::net::IpAddr;

/// Where a BMC is, in one word for each that there can be; `None`: nothing is there that two could share.
pub(crate) fn place(spec: &BmcSpec) -> Option<String> {
    let socket = |protocol: &str, default: u16| {
        let (host, port) = split_address(&spec.address);
        let host = host.parse::<IpAddr>().map_or_else(|_| host.to_lowercase(), |host| host.to_string());
        format!("{protocol} {host} {}", port.unwrap_or(default))
    };
    let domain = spec.domain.as_deref().unwrap_or_default();
    match spec.protocol {
        BmcProtocol::Ipmi => Some(socket("ipmi", 623)),
        BmcProtocol::Redfish => Some(socket("redfish", 443)),
        BmcProtocol::Webhook => Some(format!("webhook {}", spelled_alike(&spec.address))),
        BmcProtocol::Libvirt => Some(format!("libvirt {} {domain}", spec.address)),
        BmcProtocol::Vbox => Some(format!("vbox {domain}")),
        // A magic packet and a question to a person do no harm to others.
        BmcProtocol::WakeOnLan | BmcProtocol::Manual => None,
    }
}

/// An URL without what makes no difference: the case of its host, the port that its scheme has anyway, the last slashes.
fn spelled_alike(address: &str) -> String {
    let url = url::Url::parse(address).map_or_else(|_| address.to_owned(), String::from);
    url.trim_end_matches('/').to_owned()
}

/// Writes where a machine's BMC is, unless another machine's is there.
pub(super) async fn put_on_conn(conn: &mut Conn, record: &MachineRecord) -> Result<(), StoreError> {
    let id = record.id().to_string();
    sql("DELETE FROM machine_bmc WHERE machine = $1").bind(&id).execute(&mut *conn).await?;
    let mut statement = Statement::default();
    if !push(&mut statement, record) {
        return Ok(());
    }
    if let Some(taken) = taken(conn, record).await? {
        return Err(taken);
    }
    statement.execute(conn).await?;
    Ok(())
}

/// The statement that writes where a new machine's BMC is; false: there is nothing to be written.
pub(super) fn push(query: &mut Statement, record: &MachineRecord) -> bool {
    let Some(place) = record.spec.bmc.as_ref().and_then(place) else { return false };
    query.push("INSERT INTO machine_bmc (place, machine) VALUES ");
    query.push_row([place.into(), record.id().to_string().into()]);
    true
}

/// That another machine's BMC is where this one's would be, if it is.
pub(super) async fn taken(conn: &mut Conn, record: &MachineRecord) -> Result<Option<StoreError>, StoreError> {
    let Some((spec, place)) = record.spec.bmc.as_ref().and_then(|spec| Some((spec, place(spec)?))) else {
        return Ok(None);
    };
    let other: Option<String> = sql(
        "SELECT machine.name FROM machine_bmc JOIN machine ON machine.id = machine_bmc.machine WHERE place = $1",
    )
    .bind(&place)
    .scalar_optional(&mut *conn)
    .await?;
    let Some(other) = other else { return Ok(None) };
    let address = if spec.address.is_empty() { spec.domain.as_deref() } else { Some(&*spec.address) };
    let what = format!("the BMC at {}", address.unwrap_or_default());
    let mend = format!(
        "machine `{other}` has it, and two machines at one BMC would switch each other: give the right address, or forget that one with `billet machine delete {other}`"
    );
    Ok(Some(StoreError::Taken { what, field: "bmc", mend }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(protocol: BmcProtocol, address: &str, domain: Option<&str>) -> Option<String> {
        place(&BmcSpec {
            address: address.into(),
            username: "admin".into(),
            domain: domain.map(Into::into),
            ..BmcSpec::new(protocol)
        })
    }

    #[test]
    fn one_place_however_it_is_written() {
        use BmcProtocol::{Ipmi, Libvirt, Manual, Redfish, Vbox, WakeOnLan, Webhook};
        for (protocol, one, other) in [
            (Redfish, "10.0.0.9", "10.0.0.9:443"),
            (Ipmi, "BMC7.example.org", "bmc7.example.org:623"),
            (Redfish, "2001:db8::9", "[2001:0db8:0::9]:443"),
            (Webhook, "https://pdu.example.org/m7", "https://PDU.example.org:443/m7//"),
            (Webhook, "http://10.0.0.9", "HTTP://10.0.0.9:80/"),
        ] {
            assert_eq!(at(protocol, one, None), at(protocol, other, None));
        }
        for (one, other) in [
            (at(Redfish, "10.0.0.9", None), at(Redfish, "10.0.0.9:8443", None)),
            (at(Redfish, "10.0.0.9", None), at(Ipmi, "10.0.0.9", None)),
            (at(Libvirt, "qemu:///system", Some("a")), at(Libvirt, "qemu:///system", Some("b"))),
            (at(Vbox, "", Some("a")), at(Vbox, "", Some("b"))),
            (at(Webhook, "https://pdu/m7", None), at(Webhook, "https://pdu/M7", None)),
            (at(Webhook, "https://pdu/m7", None), at(Webhook, "http://pdu/m7", None)),
        ] {
            assert!(one.is_some() && one != other, "{one:?} {other:?}");
        }
        assert_eq!((at(Manual, "", None), at(WakeOnLan, "10.0.0.255", None)), (None, None));
    }
}
