//! Wrong command lines of the program `billet`, against a running service: each has its sentence and its exit code, which
//! scripts hold on to. They are kept in a file, so that a change of one is seen: `UPDATE=1` writes it anew.

use anyhow::{Result, ensure};
use std::fmt::Write;
use tests::{Operator, Site, gpt_image};

/// What is typed. DIGEST is the image's, ONES nobody's.
const LINES: &[&str] = &[
    "frobnicate",
    "machine show",
    "machine list --colour red",
    "machine list -o xml",
    "machine list -o jsonpath={.items[*}",
    "machine list --state asleep",
    "machine list --limit 0",
    "machine list --service nowhere",
    "machine list --client absent.toml",
    "machine list --client open.toml",
    "machine list --client away.toml",
    "machine list --client stranger.toml",
    "machine show nobody",
    "machine show ../m1",
    "machine add m2 --mac nonsense --bmc redfish://admin@127.0.0.1",
    "machine add m2 --mac 52:54:00:00:00:02 --bmc gopher://admin@127.0.0.1",
    "machine add M2 --mac 52:54:00:00:00:02 --bmc manual:",
    "machine add m1 --mac 52:54:00:00:00:02 --bmc manual:",
    "machine add m2 --mac 52:54:00:00:00:01 --bmc manual:",
    "machine set m1",
    "machine set m1 --maintenance perhaps",
    "machine choose m1 retry --yes",
    "instance delete old --wait --timeout soon",
    "image import absent.img --name i --format raw --digest sha256:DIGEST",
    "image import image.raw --name i --format raw --digest sha256:ONES",
    "image import image.raw --name i --format raw --digest md5:1234",
    "image import image.raw --name i --format vmdk --digest sha256:DIGEST",
    "image delete debian",
    "instance create web --image none --pool default",
    "instance create web --image debian --machine nobody",
    "instance create web --image debian --selector rack=(",
    "instance create web --image debian --min-memory lots",
    "instance create web --image debian --network wrong.yaml",
    "instance create old --image debian",
    "instance delete old",
    "instance delete old --yes",
    "network show nowhere",
    "network reservation add loopback 52:54:00:00:00:07 10.0.0.1",
    "address claim vip --subnet nowhere",
    "apply -f absent.yaml",
    "apply -f wrong.yaml",
    "token create t --role king",
    "token create t --role viewer --expires yesterday",
    "token revoke nobody",
    "audit verify --head ONES",
    "why nobody",
    "context use nowhere",
    "context remove prod",
    "bmc power status nobody",
    "config check absent.toml",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_sentence_and_its_exit_code() -> Result<()> {
    let site = Site::start().await?;
    let operator = Operator::new()?;
    let digest = prepared(&site, &operator).await?;
    let mut told = String::new();
    for line in LINES {
        let typed = line.replace("DIGEST", &digest).replace("ONES", &"1".repeat(64));
        let said = operator.types(&typed).await?;
        ensure!(
            said.code != 0 && !said.err.is_empty(),
            "`billet {line}` has to fail and to say why: {said:?}"
        );
        ensure!(!said.err.contains("panicked") && said.out.is_empty(), "billet {line}: {said:?}");
        // How far an upload is, is told when there is something to tell.
        let complaint: String =
            said.err.split_inclusive('\n').filter(|line| !line.ends_with("% sent\n")).collect();
        writeln!(told, "$ billet {line}\n{complaint}[{}]\n", said.code)?;
    }
    let ours = operator.home().display().to_string();
    let told = told
        .replace(&ours, "~")
        .replace(&site.connection().url, "https://SERVICE")
        .replace(&digest, "DIGEST");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/cli_wrong.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &told)?;
    }
    let kept = std::fs::read_to_string(path)?;
    for (now, before) in told.split("\n$ ").zip(kept.split("\n$ ")) {
        assert_eq!(now, before, "if that is meant, run it with UPDATE=1");
    }
    assert_eq!(told, kept);
    Ok(())
}

/// A service with a machine in maintenance, an image, an instance that nobody may delete, and files to be wrong about; the
/// digest of the image's.
async fn prepared(site: &Site, operator: &Operator) -> Result<String> {
    let admin = operator.client_file("admin.toml", site.connection())?;
    operator.ok(&format!("context add prod --from {admin} --use")).await?;
    let image = gpt_image(operator.home(), "image.raw", 16, 7);
    let import = "image import image.raw --name debian --format raw --digest";
    operator.ok(&format!("{import} {}", image.digest)).await?;
    let rack = "kind: machine\nname: m1\nmacs: [\"52:54:00:00:00:01\"]\nbmc: \"manual:\"\nmaintenance: true\n---\n\
                kind: instance\nname: old\nimage: debian\npool: empty\nprotected: true\n";
    operator.file("rack.yaml", rack)?;
    operator.ok("apply -f rack.yaml").await?;
    operator.file("wrong.yaml", "kind: machine\nname: m1\npoool: racks\n---\nkind: robot\n")?;
    let mut away = site.connection().clone();
    // The discard port: nobody is there.
    away.url = "https://127.0.0.1:9".to_owned();
    operator.client_file("away.toml", &away)?;
    let mut stranger = site.connection().clone();
    stranger.token = provisioner_api::Secret::new("billet_nobody");
    operator.client_file("stranger.toml", &stranger)?;
    let open = operator.client_file("open.toml", site.connection())?;
    std::fs::set_permissions(open, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(image.digest.trim_start_matches("sha256:").to_owned())
}
