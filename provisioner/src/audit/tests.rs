//! What is wrong with a log is found, wherever it is.

use super::*;
use provisioner_api::AuditOutcome;

fn entry(seq: u64) -> AuditEntry {
    AuditEntry {
        seq,
        at: Timestamp::from_second(1_700_000_000).unwrap(),
        token: Some("ci".into()),
        user: None,
        role: Some(provisioner_api::Role::Operator),
        address: None,
        method: "PATCH".into(),
        route: "/v1/machines/{machine}".into(),
        path: "/v1/machines/m1".into(),
        name: None,
        fields: vec!["pool".into()],
        outcome: AuditOutcome::Done,
        status: 200,
        left_out: 0,
    }
}

fn log(entries: u64) -> Vec<AuditRecord> {
    let mut before = FIRST.to_owned();
    let record = |seq| {
        let content = serde_json::to_string(&entry(seq)).unwrap();
        let hash = chain(&before, &content);
        before.clone_from(&hash);
        AuditRecord { content, hash }
    };
    (1..=entries).map(record).collect()
}

fn verified(log: &[AuditRecord], wanted: Option<&str>, ended: &AuditHead) -> Result<AuditHead, Broken> {
    let mut verifier = Verifier::new(wanted.map(str::to_owned));
    for page in log.chunks(3) {
        verifier.go_on(page)?;
    }
    verifier.end(ended)
}

fn head(log: &[AuditRecord]) -> AuditHead {
    AuditHead { entries: log.len() as u64, hash: log.last().map_or(FIRST, |last| &last.hash).to_owned() }
}

#[test]
fn what_is_hashed_is_what_anybody_can_hash() {
    // printf '%064d\n%s' 0 "$content" | sha256sum
    let content = serde_json::to_string(&entry(1)).unwrap();
    assert_eq!(
        content,
        r#"{"seq":1,"at":"2023-11-14T22:13:20Z","token":"ci","role":"operator","method":"PATCH","route":"/v1/machines/{machine}","path":"/v1/machines/m1","fields":["pool"],"outcome":"done","status":200}"#
    );
    assert_eq!(chain(FIRST, "x"), crate::keys::sha256_hex(&format!("{FIRST}\nx")));
}

#[test]
fn a_whole_log_is_whole() {
    for entries in [0, 1, 7] {
        let log = log(entries);
        assert_eq!(verified(&log, None, &head(&log)), Ok(head(&log)));
        for record in &log {
            assert_eq!(verified(&log, Some(&record.hash), &head(&log)), Ok(head(&log)));
        }
    }
    let (long, short) = (log(7), log(5));
    assert_eq!(
        verified(&long, Some(&head(&short).hash), &head(&short)),
        Ok(head(&long)),
        "it grew meanwhile"
    );
}

#[test]
fn each_change_of_each_entry_is_found() {
    let whole = log(7);
    let end = head(&whole);
    for at in 0..whole.len() {
        let seq = at as u64 + 1;
        let mut altered = whole.clone();
        altered[at].content = altered[at].content.replace("operator", "viewer");
        assert_eq!(verified(&altered, None, &end), Err(Broken::Entry(seq)), "altered {seq}");
        altered[at].hash =
            chain(at.checked_sub(1).map_or(FIRST, |before| &whole[before].hash), &altered[at].content);
        let found = verified(&altered, None, &end);
        let wanted = if seq == 7 { Broken::NoSuchHash(end.hash.clone()) } else { Broken::Entry(seq + 1) };
        assert_eq!(found, Err(wanted), "altered with its hash {seq}");
        let mut removed = whole.clone();
        removed.remove(at);
        assert!(verified(&removed, None, &end).is_err(), "removed {seq}");
        if seq < 7 {
            let mut swapped = whole.clone();
            swapped.swap(at, at + 1);
            assert_eq!(verified(&swapped, None, &end), Err(Broken::Entry(seq)), "reordered {seq}");
        }
    }
}

#[test]
fn a_log_whose_end_is_gone_is_found_by_its_head_or_by_one_that_was_taken_down() {
    let whole = log(7);
    let short = &whole[..5];
    assert_eq!(verified(short, None, &head(&whole)), Err(Broken::Short { found: 5, expected: 7 }));
    // Whoever can write to the database can write its head, too.
    assert_eq!(verified(short, None, &head(short)), Ok(head(short)));
    let taken_down = &head(&whole).hash;
    assert_eq!(verified(short, Some(taken_down), &head(short)), Err(Broken::NoSuchHash(taken_down.clone())));
}
