//! The direction of dependencies (ARCHITECTURE.md): what each package must never reach.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};

struct Graph {
    names: BTreeMap<PackageId, String>,
    /// Package → what it is built with; development dependencies aside.
    edges: BTreeMap<PackageId, Vec<PackageId>>,
    members: BTreeMap<String, PackageId>,
}

impl Graph {
    fn load() -> Self {
        let metadata: Metadata = MetadataCommand::new().exec().expect("cargo metadata works");
        let names: BTreeMap<_, _> =
            metadata.packages.iter().map(|package| (package.id.clone(), package.name.to_string())).collect();
        let members = metadata.workspace_members.iter().map(|id| (names[id].clone(), id.clone())).collect();
        let resolve = metadata.resolve.expect("a resolved graph");
        let edges = resolve.nodes.into_iter().map(|node| {
            let built = node.deps.into_iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (node.id, built.map(|dependency| dependency.pkg).collect())
        });
        Self { edges: edges.collect(), names, members }
    }

    fn reaches(&self, member: &str) -> BTreeSet<&str> {
        let mut open = vec![&self.members[member]];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            for next in &self.edges[id] {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen.into_iter().map(|id| self.names[id].as_str()).collect()
    }

    fn direct(&self, member: &str) -> BTreeSet<&str> {
        self.edges[&self.members[member]].iter().map(|id| self.names[id].as_str()).collect()
    }

    fn never(&self, member: &str, forbidden: &[&str]) {
        let reached = self.reaches(member);
        for name in forbidden {
            assert!(!reached.contains(name), "{member} must never reach {name} (ARCHITECTURE.md, direction)");
        }
    }
}

#[test]
fn pure_packages_stay_pure() {
    let graph = Graph::load();
    for member in ["provisioner-api", "provisioner-lifecycle", "pxe-proto", "bmc-proto"] {
        graph.never(member, &["tokio", "sqlx", "axum", "reqwest", "kube", "mio", "socket2"]);
    }
}

#[test]
fn only_the_service_knows_the_database() {
    let graph = Graph::load();
    for member in graph.members.keys().filter(|name| !["provisioner", "tests"].contains(&name.as_str())) {
        graph.never(member, &["sqlx"]);
    }
    assert!(graph.direct("provisioner").contains("sqlx"), "the rule above looks for the right name");
}

/// It is a server for tests of all of them, so none may come with it. Development dependencies aside, as above: there
/// sqlx is its client.
#[test]
fn a_postgresql_for_tests_knows_nothing_of_ours() {
    let graph = Graph::load();
    let servers = ["lab-postgres", "tests-postgres"];
    let ours: Vec<_> =
        graph.members.keys().map(String::as_str).filter(|name| !servers.contains(name)).collect();
    for server in servers {
        graph.never(server, &ours);
        assert!(graph.direct(server).contains("tokio"), "the rule above looks for the right name");
    }
    graph.never("lab-postgres", &["tests-postgres"]);
}

#[test]
fn only_tests_and_lab_depend_on_the_service() {
    let graph = Graph::load();
    for member in
        graph.members.keys().filter(|name| !["tests", "lab", "provisioner"].contains(&name.as_str()))
    {
        graph.never(member, &["provisioner"]);
    }
}

#[test]
fn protocol_servers_know_no_machines_and_clients_no_server() {
    let graph = Graph::load();
    for member in ["pxe", "bmc", "bmc-mock", "images"] {
        graph.never(
            member,
            &["provisioner-lifecycle", "provisioner-api", "provisioner-client", "provisioner"],
        );
    }
    graph.never("images-agent", &["provisioner-lifecycle", "provisioner", "pxe", "bmc", "axum", "sqlx"]);
    graph
        .never("provisioner-client", &["provisioner-lifecycle", "provisioner", "pxe", "bmc", "axum", "sqlx"]);
}

#[test]
fn a_packages_name_is_its_path() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata works");
    for package in &metadata.packages {
        let folder = package.manifest_path.parent().expect("a manifest is in a folder");
        let path = folder.strip_prefix(&metadata.workspace_root).expect("members are below the root");
        assert_eq!(path.as_str().replace('/', "-"), package.name.as_str());
    }
}

#[test]
fn the_clock_is_read_in_few_places() {
    let root = MetadataCommand::new().no_deps().exec().expect("cargo metadata works").workspace_root;
    for folder in ["provisioner/lifecycle/src", "provisioner/api/src", "pxe/proto/src", "bmc/proto/src"] {
        walk(root.join(folder).as_std_path(), &mut |path, text| {
            for word in ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"] {
                assert!(!text.contains(word), "{} reads the clock: {word}", path.display());
            }
        });
    }
}

/// The simulated machine is a state machine and nothing else, so that a test can have any life of it in a moment.
#[test]
fn the_model_of_a_machine_is_pure() {
    let root = MetadataCommand::new().no_deps().exec().expect("cargo metadata works").workspace_root;
    let mut files = 0;
    walk(root.join("lab/src/fleet/model").as_std_path(), &mut |path, text| {
        files += 1;
        for word in ["tokio", "Instant", "SystemTime", "Timestamp::now", "std::fs", "TcpStream", "UdpSocket"]
        {
            assert!(!text.contains(word), "{} is not pure: {word}", path.display());
        }
    });
    assert!(files > 0, "the folder is where this test looks for it");
}

/// A service that an environment variable kills is for tests alone.
#[test]
fn release_builds_have_nothing_of_dying_at_a_named_moment() {
    let root = MetadataCommand::new().no_deps().exec().expect("cargo metadata works").workspace_root;
    let mut places = 0;
    walk(root.join("provisioner/src").as_std_path(), &mut |path, text| {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            if line.contains("die::") || line.ends_with("mod die;") {
                places += 1;
                let guard = number.checked_sub(1).map(|before| lines[before]);
                assert_eq!(guard, Some("#[cfg(debug_assertions)]"), "{}: {line}", path.display());
            }
        }
    });
    assert_eq!(places, 7, "the module, and both sides of three writes of a machine");
}

fn walk(folder: &std::path::Path, see: &mut dyn FnMut(&std::path::Path, &str)) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            walk(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&path, &std::fs::read_to_string(&path).expect("sources are text"));
        }
    }
}
