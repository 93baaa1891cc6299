//! An operator's day with the program `billet` alone: a service gets a name, a rack is declared in files, a tenant is let
//! in, an image comes, the tenant's system is installed and given back, and the audit log tells of it all.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{Operator, Sim, SimOptions, Site, eventually, gpt_image};

/// A mistake in each document.
const WRONG: &str = "\
kind: machine
name: m1
poool: racks
---
kind: instance
name: Web
image: debian
---
kind: switch
name: lan
";

/// The rack: both BMCs have the same password.
fn rack(sims: &[Sim]) -> String {
    let mut table = "name,macs,bmc,bmc_password_file,pool,zone,rack,label:row\n".to_owned();
    for (sim, (pool, zone)) in sims.iter().zip([("racks", "a"), ("other", "b")]) {
        let bmc = &sim.enrolment().bmc;
        let (user, address) = (&bmc.username, &bmc.address);
        table += &format!("{},{},redfish://{user}@{address},bmc.pw,{pool},{zone},r7,1\n", sim.name, sim.mac);
    }
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_day() -> Result<()> {
    let site = Site::start().await?;
    let sims = [
        Sim::start(&site, "m1", 1, SimOptions { data_disks: 1, ..SimOptions::default() }).await?,
        Sim::start(&site, "m2", 2, SimOptions::default()).await?,
    ];
    let operator = Operator::new()?;
    named(&site, &operator).await?;
    declared(&operator, &sims).await?;
    listed(&operator).await?;
    let tenant = let_in(&site, &operator).await?;
    let image = gpt_image(site.folder(), "image.raw", 16, 7);
    let (path, digest) = (image.path.display(), &image.digest);
    let import = format!("image import {path} --name debian --format raw --digest {digest}");
    ensure!(operator.ok(&import).await?.starts_with("image debian is imported: a disk of 16.0 MiB"));
    installed(&operator, &tenant, &sims[0]).await?;
    given_back(&operator, &tenant, &sims[0]).await?;
    audited(&operator, &tenant).await
}

/// The service has a name from now on; no token is ever shown.
async fn named(site: &Site, operator: &Operator) -> Result<()> {
    let none = operator.types("machine list").await?;
    assert_eq!(none.code, 2, "{none:?}");
    let admin = operator.client_file("admin.toml", site.connection())?;
    let added = operator.ok(&format!("context add prod --from {admin} --use")).await?;
    assert_eq!(added, format!("context prod is {}, and in use\n", site.connection().url));
    let contexts = operator.ok("context list -o json").await?;
    assert!(contexts.contains("\"prod\"") && !contexts.contains(site.connection().token.reveal()));
    assert_eq!(operator.ok("machine list -o name").await?, "");
    Ok(())
}

/// Mistakes are told all at once and change nothing; what is right comes about once.
async fn declared(operator: &Operator, sims: &[Sim]) -> Result<()> {
    let password = sims[0].enrolment().bmc_password;
    operator.file("bmc.pw", password.reveal())?;
    operator.file("wrong.yaml", WRONG)?;
    let table = operator.file("machines.csv", &rack(sims))?;
    let said = operator.types("apply -f machines.csv -f wrong.yaml").await?;
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    for sentence in [
        "billet: nothing was changed, because of 3 mistakes:\n",
        "wrong.yaml:3: unknown field `poool`",
        "wrong.yaml:6: name: `Web` is not a good name",
        "wrong.yaml:9: ",
    ] {
        assert!(said.err.contains(sentence), "{sentence}: {}", said.err);
    }
    assert_eq!(operator.ok("machine list -o name").await?, "");
    assert_eq!(operator.ok("apply -f machines.csv").await?, "machine/m1 created\nmachine/m2 created\n");
    assert_eq!(
        operator.ok(&format!("apply -f {table}")).await?,
        "machine/m1 unchanged\nmachine/m2 unchanged\n"
    );
    let states = ["machine", "list", "-o", "jsonpath={range .items[*]}{.name} {.status.state}{\"\\n\"}{end}"];
    eventually("both are inspected", async || {
        let said = operator.words(&states).await?;
        Ok((said.out == "m1 available\nm2 available\n").then_some(()))
    })
    .await
}

/// The same list in all shapes.
async fn listed(operator: &Operator) -> Result<()> {
    assert_eq!(operator.ok("machine list -o name").await?, "m1\nm2\n");
    assert_eq!(operator.ok("machine list --pool other -o name").await?, "m2\n");
    assert_eq!(operator.ok("machine list -o jsonpath={.items[*].spec.zone}").await?, "a b");
    let machines: Value = serde_json::from_str(&operator.ok("machine list -o json").await?)?;
    assert_eq!((&machines[0]["name"], &machines[1]["spec"]["pool"]), (&"m1".into(), &"other".into()));
    let yaml = operator.ok("machine show m1 -o yaml").await?;
    assert!(yaml.contains("name: m1\n") && !yaml.contains("password"), "{yaml}");
    let [table, wide] = [operator.ok("machine list").await?, operator.ok("machine list -o wide").await?];
    let heads =
        [&table, &wide].map(|text| text.lines().next().map_or(0, |head| head.split_whitespace().count()));
    assert!(table.starts_with("NAME") && heads[0] < heads[1], "{table}{wide}");
    let picture = operator.ok("top").await?;
    assert!(picture.contains("machines 2: "), "{picture}");
    Ok(())
}

/// A tenant of one pool, with a token of its own, to whom the other pool is not there.
async fn let_in(site: &Site, operator: &Operator) -> Result<Operator> {
    let secret = operator.ok("token create team-a --role tenant --pool racks --expires 36h").await?;
    assert_eq!(secret.lines().count(), 1, "the secret alone, to be put into a file");
    let tokens = operator.ok("token list").await?;
    assert!(tokens.contains("team-a") && !tokens.contains(secret.trim()), "{tokens}");
    let tenant = Operator::new()?;
    tenant.file("token", &secret)?;
    tenant.file("ca.pem", &site.connection().ca_pem)?;
    let url = &site.connection().url;
    tenant.ok(&format!("context add prod --url {url} --token-file token --ca ca.pem --use")).await?;
    assert_eq!(tenant.ok("machine list -o name").await?, "m1\n");
    for (line, code, sentence) in [
        ("machine show m2", 5, "m2"),
        ("machine set m1 --maintenance on", 2, "role"),
        ("token list", 2, "role"),
        ("audit list", 2, "role"),
    ] {
        let said = tenant.types(line).await?;
        assert!(said.code == code && said.err.contains(sentence), "{line}: {said:?}");
    }
    Ok(tenant)
}

/// By the tenant, who waits for it.
async fn installed(operator: &Operator, tenant: &Operator, sim: &Sim) -> Result<()> {
    let said =
        tenant.types("instance create web --image debian --root-disk smallest --wait --timeout 60s").await?;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("instance web is running"), "{said:?}");
    let shown: Value = serde_json::from_str(&tenant.ok("instance show web -o json").await?)?;
    assert_eq!(
        (&shown["status"]["state"], &shown["status"]["machine_name"]),
        (&"running".into(), &sim.name.as_str().into())
    );
    let why = tenant.ok("why web").await?;
    assert!(why.contains("instance web"), "{why}");
    let story = operator.ok("machine timeline m1 --kind os").await?;
    assert!(story.contains("the operating system reports in as sim"), "{story}");
    // All machines of the pool are taken: it says so, and is taken back.
    let said = tenant.types("instance create more --image debian --wait --timeout 1s").await?;
    assert!(said.code == 4 && said.err.contains("the work itself goes on"), "{said:?}");
    eventually("it says why it waits", async || {
        Ok(tenant.ok("why more").await?.contains("1 taken").then_some(()))
    })
    .await?;
    assert_eq!(
        tenant.ok("instance delete more --yes --wait --timeout 60s").await?,
        "instance more is gone\n"
    );
    Ok(())
}

/// First it is told what would be lost, then it is.
async fn given_back(operator: &Operator, tenant: &Operator, sim: &Sim) -> Result<()> {
    let machine: Value = serde_json::from_str(&operator.ok("machine show m1 -o json").await?)?;
    let disks = machine["status"]["inventory"]["disks"].as_array().context("its disks")?;
    assert_eq!(disks.len(), 2);
    let before = sim.content()?;
    let dry = tenant.ok("instance delete web --dry-run").await?;
    for disk in disks {
        let word = |key: &str| disk[key].as_str().map(ToOwned::to_owned).context("a word");
        let (model, serial) = (word("model")?, word("serial")?);
        let line = dry.lines().find(|line| line.contains(&serial)).with_context(|| dry.clone())?;
        for want in [model.as_str(), "m1", "instance web's", "wiped (metadata)"] {
            assert!(line.contains(want), "{want}: {dry}");
        }
    }
    assert!(dry.contains("dry run: nothing was done"), "{dry}");
    let unasked = tenant.types("instance delete web").await?;
    assert!(unasked.code == 2 && unasked.err.contains("--yes"), "nobody can be asked: {unasked:?}");
    assert!(sim.content()? == before, "not a byte is changed by that");
    assert_eq!(tenant.ok("instance show web -o jsonpath={.status.state}").await?, "running");
    assert_eq!(tenant.ok("instance delete web --yes --wait --timeout 60s").await?, "instance web is gone\n");
    assert!(sim.content()?[..1 << 20].iter().all(|byte| *byte == 0), "the partition table is wiped");
    assert_eq!(tenant.types("instance show web").await?.code, 5);
    Ok(())
}

/// Who did what is written down; a token that is taken away is of no more use.
async fn audited(operator: &Operator, tenant: &Operator) -> Result<()> {
    assert_eq!(operator.ok("token revoke team-a").await?, "token team-a is taken away\n");
    let refused = tenant.types("machine list").await?;
    assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
    let list = operator.ok("audit list -o wide").await?;
    let told = |who: &str, words: &[&str]| {
        let of = |line: &&str| line.contains(who) && words.iter().all(|word| line.contains(word));
        list.lines().any(|line| of(&line))
    };
    assert!(told("admin", &["POST", "/v1/machines"]), "{list}");
    assert!(told("team-a", &["POST", "/v1/instances"]), "{list}");
    assert!(told("team-a", &["PATCH", "/v1/machines/", "403"]), "denied, and written down: {list}");
    let head = operator.ok("audit verify").await?;
    assert_eq!((head.trim().len(), head.lines().count()), (64, 1), "{head}");
    operator.ok(&format!("audit verify --head {}", head.trim())).await?;
    let other = operator.types(&format!("audit verify --head {}", "1".repeat(64))).await?;
    assert_eq!(other.code, 7, "{other:?}");
    Ok(())
}
