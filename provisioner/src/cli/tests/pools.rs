//! An administrator gives a pool a policy, looks at it, changes it and takes it away.

use super::{
    User,
    real::{Running, ok},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_gets_a_policy_that_is_shown_changed_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    let made = ok(admin.run("pool create gpu --description racks --erase overwrite --max-machines 4").await);
    assert_eq!(made, "pool gpu is made: wipes by overwrite at least, at most 4 in use\n");
    let table = ok(admin.run("pool list -o wide").await);
    for said in ["gpu", "0 of 4", "wipes by overwrite at least, at most 4 in use", "racks"] {
        assert!(table.contains(said), "{said}: {table}");
    }
    assert_eq!(ok(admin.run("pool list -o name").await), "gpu\n");
    let nothing = admin.run("pool set gpu").await;
    assert!(nothing.code == 2 && nothing.err.contains("--max-machines"), "{nothing:?}");
    let set = ok(admin.run("pool set gpu --erase none --max-machines 6").await);
    assert_eq!(set, "pool gpu is changed: at most 6 in use\n");
    let page = ok(admin.run("pool show gpu").await);
    assert!(page.contains("racks") && page.contains("0 of 6") && !page.contains("overwrite"), "{page}");
    let json = ok(admin.run("pool show gpu -o json").await);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["name"], &json["spec"]["max_machines"]), (&"gpu".into(), &6.into()));
    assert_eq!(ok(admin.run("pool delete gpu").await), "pool gpu has no policy any more\n");
    let gone = admin.run("pool set gpu --erase overwrite").await;
    assert!(gone.code == 5 && gone.err.contains("billet pool create gpu"), "{gone:?}");
}
