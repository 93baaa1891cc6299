//! A colleague gets access: a user is made, logs in from a file of their own, and logs out.

use super::{
    User,
    real::{Running, ok},
    write_private,
};
use std::{fs, os::unix::fs::PermissionsExt};

const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_is_given_access_logs_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let mut admin = User::of(&service.connection);
    admin.person = true;
    admin.hidden = vec![PASSWORD.to_owned(), PASSWORD.to_owned()];
    let made = admin.run("user create ann --role operator --pool racks").await;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.out.contains("billet login --user ann"), "{made:?}");
    admin.hidden = vec![PASSWORD.to_owned(), "correct horse batterz".to_owned()];
    let other = admin.run("user create bob --role viewer").await;
    assert_eq!(other.code, 2);
    assert!(other.err.contains("not the same"), "{other:?}");
    let short = admin.file("short", "short\n");
    let short = admin.run(&format!("user create bob --role viewer --password-file {short}")).await;
    assert!(short.code == 2 && short.err.contains("12 characters at least"), "{short:?}");
    admin.person = false;
    let table = ok(admin.run("user list").await);
    assert!(table.contains("ann") && table.contains("operator") && table.contains("never"), "{table}");

    // Ann has the address and the CA, and nothing else.
    let ann = User::nobody();
    let file = ann.folder.path().join("ann.toml");
    let text = format!("url = {:?}\nca = '''{}'''\n", service.connection.url, service.connection.ca_pem);
    write_private(&file, &text);
    let file = file.display().to_string();
    let run = async |line: &str| {
        let words: Vec<_> = ["billet", "--client", &file].into_iter().chain(line.split(' ')).collect();
        ann.run_plain(&words).await
    };
    let nobody = run("machine list").await;
    assert!(nobody.code == 2 && nobody.err.contains("billet login --user NAME"), "{nobody:?}");
    let (right, wrong) = (ann.file("right", PASSWORD), ann.file("wrong", "wrong"));
    let who = run(&format!("login --password-file {right}")).await;
    assert!(who.code == 2 && who.err.contains("--user"), "{who:?}");
    let refused = run(&format!("login --user ann --password-file {wrong}")).await;
    assert!(refused.code == 2 && refused.err.contains("user or password is wrong"), "{refused:?}");
    let done = ok(run(&format!("login --user ann --password-file {right}")).await);
    assert!(done.starts_with("logged in as ann: role operator, pools racks, until "), "{done}");
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    let kept = fs::read_to_string(&file).unwrap();
    assert_eq!(mode, 0o600);
    assert!(
        kept.contains("billet_") && kept.contains("user = \"ann\"") && !kept.contains(PASSWORD),
        "{kept}"
    );
    assert_eq!(ok(run("machine list -o name").await), "");
    let page = ok(run("whoami").await);
    for said in ["ann", "user", "operator", "racks"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let again = ok(run(&format!("login --password-file {right}")).await);
    assert!(again.starts_with("logged in as ann"), "{again}");
    assert_eq!(ok(run("logout").await), "logged out\n");
    assert!(!fs::read_to_string(&file).unwrap().contains("billet_"));
    assert_eq!(run("whoami").await.code, 2);
    assert_eq!(ok(run("logout").await), "nobody is logged in\n");

    // What would overwrite a token that nobody can get back is refused.
    let kept = admin.run(&format!("login --user ann --password-file {right}")).await;
    assert!(kept.code == 2 && kept.err.contains("holds an API token"), "{kept:?}");
    let kept = admin.run("logout").await;
    assert!(kept.code == 2 && kept.err.contains("holds an API token"), "{kept:?}");

    // Whoever may no longer is out at once.
    ok(run(&format!("login --password-file {right}")).await);
    let set = ok(admin.run("user set ann --disabled true").await);
    assert!(set.contains("has to log in again"), "{set}");
    let out = run("machine list").await;
    assert_eq!(out.code, 2, "{out:?}");
    assert_eq!(admin.run("user set ann").await.code, 2, "nothing to change");
    assert!(ok(admin.run("user show ann").await).contains("Disabled"));
    let audit = ok(admin.run("audit list --newest 50").await);
    assert!(audit.contains("user ann") && audit.contains("/v1/login"), "{audit}");
    ok(admin.run("user delete ann").await);
    assert_eq!(admin.run("user show ann").await.code, 5);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_log_in_is_one_and_what_cannot_be_kept_ends() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    let right = admin.file("right", PASSWORD);
    ok(admin.run(&format!("user create ann --role viewer --password-file {right}")).await);
    let mut ann = User::nobody();
    ann.settings = Some(ann.folder.path().to_owned());
    let at = |name: &str| ann.folder.path().join(name).display().to_string();
    let file = at("ann.toml");
    let text = format!("url = {:?}\nca = '''{}'''\n", service.connection.url, service.connection.ca_pem);
    write_private(file.as_ref(), &text);
    let login = ["login", "--user", "ann", "--password-file", &right];
    let run = async |file: &str, words: &[&str]| {
        ann.run_plain(&[&["billet", "--client", file], words].concat()).await
    };
    ok(run(&file, &login).await);

    // In a context it is no token that somebody made.
    ok(ann.run_plain(&["billet", "context", "add", "copy", "--from", &file]).await);
    let copy = fs::read_to_string(at("billet/contexts/copy.toml")).unwrap();
    assert!(copy.contains("billet_") && copy.contains("user = \"ann\""), "{copy}");

    // Where nothing can be written the log-in before stays: no file's name may be longer than this one.
    let full = at(&"x".repeat(255));
    write_private(full.as_ref(), &copy);
    let lost = run(&full, &login).await;
    assert!(lost.code != 0 && lost.err.contains("was ended again; the log-in before"), "{lost:?}");
    assert!(ok(run(&file, &["whoami"]).await).contains("ann"), "the one before was not ended");

    // A new password ends them all, and that is what is told.
    let new = ann.file("new", "lawn-otter-cliff");
    let change = ["user", "password", "--old-password-file", &right, "--password-file", &new];
    let lost = run(&full, &change).await;
    assert!(lost.code != 0 && lost.err.contains("changed all the same"), "{lost:?}");
    assert!(lost.err.contains("all log-ins before ended") && !lost.err.contains("as it was"), "{lost:?}");
    assert_eq!(run(&file, &["whoami"]).await.code, 2);
    let login = ["login", "--user", "ann", "--password-file", &new];
    assert!(ok(run(&file, &login).await).starts_with("logged in as ann"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_password_is_changed_and_the_log_in_that_comes_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let service = Running::start(folder.path()).await;
    let admin = User::of(&service.connection);
    let (old, new) = (admin.file("old", PASSWORD), admin.file("new", "lawn-otter-cliff"));
    ok(admin.run(&format!("user create ann --role viewer --password-file {old}")).await);
    let ann = User::nobody();
    let file = ann.folder.path().join("ann.toml").display().to_string();
    let text = format!("url = {:?}\nca = '''{}'''\n", service.connection.url, service.connection.ca_pem);
    write_private(file.as_ref(), &text);
    let run = async |words: &[&str]| ann.run_plain(&[&["billet", "--client", &file], words].concat()).await;
    let change = ["user", "password", "--old-password-file", &old, "--password-file", &new];
    let out = run(&change).await;
    assert!(out.code == 2 && out.err.contains("holds no log-in"), "{out:?}");
    ok(run(&["login", "--user", "ann", "--password-file", &old]).await);
    let before = fs::read_to_string(&file).unwrap();
    let wrong = run(&["user", "password", "--old-password-file", &new, "--password-file", &new]).await;
    assert_eq!((wrong.code, fs::read_to_string(&file).unwrap() == before), (2, true), "{wrong:?}");
    assert!(ok(run(&change).await).contains("all other log-ins of yours ended"));
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
    assert!(ok(run(&["whoami"]).await).contains("ann"));
    let dry = ok(admin.run("user delete ann --dry-run").await);
    assert!(dry.contains("user ann (viewer) would be taken away"), "{dry}");
    assert!(ok(admin.run("user show ann").await).contains("ann"), "nothing was done");
    let line = "user set ann --role operator --pool racks --disabled true --new-password --dry-run";
    let dry = ok(admin.run(line).await);
    let would = "user ann would have the role operator in place of viewer, racks in place of all pools, no log-in any more, another password; whoever";
    assert!(dry.contains(would), "{dry}");
    assert!(ok(run(&["whoami"]).await).contains("viewer"), "nothing was done");
    service.end().await;
}
