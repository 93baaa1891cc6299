//! An administrator rotates the site key.

use super::{
    User,
    real::{Running, ok},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_site_key_is_shown_and_rotated_and_the_older_one_is_not_retired_too_soon() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    let keys = async || -> serde_json::Value {
        serde_json::from_str(&ok(admin.run("key show -o json").await)).unwrap()
    };
    let first = keys().await;
    assert_eq!((first["items"].as_array().unwrap().len(), &first["older"]), (1, &0.into()));
    let rotated = ok(admin.run("key rotate").await);
    assert!(rotated.contains("save the key file anew"), "{rotated}");
    let both = keys().await;
    assert_eq!((both["items"].as_array().unwrap().len(), &both["older"]), (2, &0.into()));
    let print = |keys: &serde_json::Value, at: usize| keys["items"][at]["fingerprint"].clone();
    assert_eq!(print(&both, 0), print(&first, 0), "the older one first");
    // What was sealed with the older one a moment ago may be on its way still.
    let early = admin.run("key retire").await;
    assert!(early.code == 2 && early.err.contains("ask again in a minute"), "{early:?}");
    assert_eq!(keys().await, both, "nothing was taken away");
    let wrong = admin.run("key forget").await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
}
