//! `billet bmc scan` by the service, and whose certificate a machine's BMC is believed with.

use super::{
    User,
    bmc::changes,
    fake::{Fake, problem},
};
use provisioner_api::{BmcFound, BmcFoundList, Problem};

#[tokio::test]
async fn the_service_searches_where_it_may() {
    let fake = Fake::start().await;
    let found = BmcFound {
        address: "10.0.0.9".to_owned(),
        ipmi: true,
        already: vec!["m1".to_owned()],
        ..BmcFound::default()
    };
    let path = "POST /v1/bmc-scans";
    fake.says(path, 200, &BmcFoundList { items: vec![found.clone()] });
    fake.says(path, 200, &BmcFoundList::default());
    fake.says(path, 422, &problem(422, "10.1.0.0/24 is not declared"));
    let user = User::of(fake.connection());
    let ran = user.run("bmc scan 10.0.0.0/24").await;
    assert_eq!(
        ran.out,
        "ADDRESS   IPMI  REDFISH  VENDOR  PRODUCT  MACHINE\n10.0.0.9  yes   no       -       -        m1\n"
    );
    let ran = user.run("bmc scan 10.0.0.0/24 -o name").await;
    assert!(ran.out.is_empty() && ran.err.contains("no BMC answered in 10.0.0.0/24"), "{ran:?}");
    let ran = user.run("bmc scan 10.1.0.0/24").await;
    assert!(ran.code == 2 && ran.err.contains("10.1.0.0/24 is not declared"), "{ran:?}");
    assert_eq!(changes(&fake)[0], r#"POST /v1/bmc-scans {"subnet":"10.0.0.0/24"}"#);
    // Without a service there is nobody who could.
    let ran = User::nobody().run("bmc scan 10.0.0.0/24").await;
    assert!(ran.code == 2 && ran.err.contains("no client file"), "{ran:?}");
}

#[tokio::test]
async fn another_certificate_is_told_with_what_to_type() {
    let fake = Fake::start().await;
    let other =
        Problem { kind: "bmc-certificate".to_owned(), ..problem(502, "it shows another certificate") };
    fake.says("GET /v1/machines/m1/bmc/power", 502, &other);
    let user = User::of(fake.connection());
    let ran = user.run("bmc power status m1").await;
    assert_eq!(
        ran.err,
        "billet: it shows another certificate; `billet machine set m1 --bmc-tls-sha256 HEX` pins another one, --bmc-tls-ca FILE believes those of a CA\n"
    );
}
