//! What goes wrong, and the sentence that an operator gets for it.

use super::*;

/// An operator reads the sentence; each has to say the fault and the mend.
fn says(error: &BmcError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

/// An address where nothing listens.
fn closed_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn of(endpoint: Endpoint) -> Ipmi {
    let cipher = match endpoint.protocol {
        Protocol::Ipmi { cipher, .. } => cipher,
        other => panic!("not IPMI: {other:?}"),
    };
    Ipmi::with_timing(endpoint, cipher, quick())
}

#[tokio::test]
async fn each_fault_of_a_login_has_its_own_words() {
    let rig = Rig::new().await;
    for cipher in BOTH {
        let fault = async |name: &str, password: &str| {
            of(endpoint(rig.port, cipher, name, password)).power().await.unwrap_err()
        };
        says(&fault(NAME, "wrong").await, &["refuses user `admin`", "password is wrong"]);
        says(&fault("nobody", PASSWORD).await, &["refuses user `nobody`", "no such user", "check the name"]);
        let long = fault("abcdefghijklmnopq", PASSWORD).await;
        says(&long, &["user name", "17 bytes", "16 at most"]);
        says(&fault(NAME, "123456789012345678901").await, &["password", "20 bytes"]);
        let mut endpoint = endpoint(rig.port, cipher, NAME, PASSWORD);
        endpoint.credentials.bmc_key = Some(Zeroizing::new(vec![7; 21]));
        says(&of(endpoint).power().await.unwrap_err(), &["BMC key", "20 bytes"]);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_user_without_privilege_is_told_so() {
    let users = vec![User::reader("guest", PASSWORD)];
    let rig = Rig::of(0, Identity::new(users, Arc::new(MemoryChassis::new()), UUID));
    let error = of(endpoint(rig.port, Cipher::Suite17, "guest", PASSWORD)).power().await.unwrap_err();
    assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
    says(&error, &["`guest`", "privilege"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_bmc_key_is_not_a_wrong_password() {
    let users = vec![User::administrator(NAME, PASSWORD)];
    let key = b"twenty bytes of a key".iter().copied().take(20).collect::<Vec<u8>>();
    let identity =
        Identity { bmc_key: Some(key.clone()), ..Identity::new(users, Arc::new(MemoryChassis::new()), UUID) };
    let rig = Rig::of(0, identity);
    for cipher in BOTH {
        for (set, words) in [(None, "must be told here"), (Some(vec![1; 20]), "another one")] {
            let mut endpoint = endpoint(rig.port, cipher, NAME, PASSWORD);
            endpoint.credentials.bmc_key = set.map(Zeroizing::new);
            let error = of(endpoint).power().await.unwrap_err();
            assert!(matches!(error, BmcError::AuthenticationFailed { .. }), "{error}");
            says(&error, &["BMC key (Kg)", words]);
        }
        let mut endpoint = endpoint(rig.port, cipher, NAME, PASSWORD);
        endpoint.credentials.bmc_key = Some(Zeroizing::new(key.clone()));
        of(endpoint).power().await.unwrap();
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_suite_tells_what_there_is() {
    let chassis = Arc::new(MemoryChassis::new());
    let rig = Rig::at(0, chassis, &[Suite::Three]).await;
    let error = driver(rig.port, Cipher::Suite17).power().await.unwrap_err();
    says(&error, &["does not offer IPMI cipher suite 17", "it offers 3", "`-C 3`"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let patient = Timing { retransmission: Retransmission::default(), ..quick() };
    let cipher = Cipher::Suite17;
    let bmc = Ipmi::with_timing(endpoint(closed_port(), cipher, NAME, PASSWORD), cipher, patient);
    let begin = Instant::now();
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::NotABmc { .. }), "{error}");
    says(&error, &["port is closed", "enable IPMI over LAN"]);
    // Silence takes 9.5 s to believe.
    assert!(begin.elapsed() < patient.retransmission.patience() / 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn something_else_at_the_port_is_no_bmc() {
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 500];
        while let Ok((_, from)) = other.recv_from(&mut buffer).await {
            other.send_to(b"NTP or SNMP or whatever, but not RMCP", from).await.unwrap();
        }
    });
    let error = driver(port, Cipher::Suite17).power().await.unwrap_err();
    assert!(matches!(error, BmcError::NotABmc { .. }), "{error}");
    says(&error, &["does not speak IPMI", "check address and port"]);
    task.abort();
}

#[tokio::test]
async fn silence_and_unknown_names_are_unreachable() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let error = driver(silent.local_addr().unwrap().port(), Cipher::Suite17).power().await.unwrap_err();
    says(&error, &["does not answer", "reading the power state", "check its address, cable and network"]);

    let endpoint =
        Endpoint { host: "no-such-bmc.invalid".into(), ..endpoint(1, Cipher::Suite17, NAME, PASSWORD) };
    let error = of(endpoint).power().await.unwrap_err();
    assert!(matches!(error, BmcError::Unreachable { .. }), "{error}");
    says(&error, &["no-such-bmc.invalid", "no address is known for this name"]);
}

#[tokio::test]
async fn what_the_network_forbids_is_told_with_its_reason() {
    // Without leave to broadcast the system refuses it; where there is no route at all it says that.
    let endpoint =
        Endpoint { host: "255.255.255.255".into(), ..endpoint(1, Cipher::Suite17, NAME, PASSWORD) };
    let error = of(endpoint).power().await.unwrap_err();
    let BmcError::Unreachable { reason: Some(reason), .. } = &error else { panic!("{error}") };
    assert!(reason.contains("forbids") || reason.contains("network"), "{error}");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_soon() {
    let rig = Rig::new().await;
    let bmc = driver(rig.port, Cipher::Suite17);
    assert_eq!(bmc.health(), Health::default());
    let bad = of(endpoint(rig.port, Cipher::Suite17, NAME, "wrong"));
    assert!(matches!(bad.power().await.unwrap_err(), BmcError::AuthenticationFailed { .. }));
    // Nothing is sent from now on: it makes no difference that the BMC is gone.
    rig.stop().await;
    for _ in 0..3 {
        let error = bad.set_power(PowerState::On).await.unwrap_err();
        let BmcError::Resting { rest, credentials: true, .. } = &error else { panic!("{error}") };
        assert!((200..=300).contains(&rest.as_secs()), "{rest:?}");
        says(&error, &["not asked again", "password is wrong"]);
    }
    let health = bad.health();
    assert_eq!(health.failures, 1);
    assert!(health.last.is_some_and(|last| last.contains("password is wrong")) && health.rests_for.is_some());
}

#[tokio::test]
async fn a_silent_bmc_is_let_alone_after_three_calls() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let timing = Timing {
        retransmission: Retransmission { interval: Duration::from_millis(20), tries: 2 },
        ..quick()
    };
    let bmc = Ipmi::with_timing(endpoint(port, Cipher::Suite17, NAME, PASSWORD), Cipher::Suite17, timing);
    for failures in 1..=3 {
        assert!(matches!(bmc.power().await.unwrap_err(), BmcError::Unreachable { .. }));
        assert_eq!(bmc.health().failures, failures);
    }
    let mut buffer = [0; 500];
    let sent = std::iter::from_fn(|| silent.try_recv(&mut buffer).ok()).count();
    let error = bmc.power().await.unwrap_err();
    assert!(matches!(error, BmcError::Resting { credentials: false, .. }), "{error}");
    says(&error, &["not asked again", "does not answer"]);
    assert!(sent >= 3, "{sent} datagrams in three calls");
    assert!(silent.try_recv(&mut buffer).is_err(), "it was asked in its rest");
    // Other settings, another driver: it begins anew.
    let fresh = Ipmi::with_timing(endpoint(port, Cipher::Suite17, NAME, PASSWORD), Cipher::Suite17, timing);
    assert!(matches!(fresh.power().await.unwrap_err(), BmcError::Unreachable { .. }));
}

#[tokio::test]
async fn those_who_waited_for_a_silent_bmc_are_told_together() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bmc = driver(silent.local_addr().unwrap().port(), Cipher::Suite17);
    let begin = Instant::now();
    let errors = tokio::join!(bmc.power(), bmc.boot(), bmc.info(), bmc.power());
    assert!(matches!(
        errors,
        (
            Err(BmcError::Unreachable { .. }),
            Err(BmcError::Unreachable { .. }),
            Err(BmcError::Unreachable { .. }),
            Err(BmcError::Unreachable { .. })
        )
    ));
    let patience = quick().retransmission.patience();
    assert!(begin.elapsed() < patience * 2, "{:?}", begin.elapsed());
    assert_eq!(bmc.health().failures, 1);
}
