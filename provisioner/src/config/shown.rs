//! The configuration for whoever helps: every setting but what may be a secret, of which is said only that it is set.

use super::{Api, Bmc, Boot, Config, Console, History, Images, Log, Network, Rate, Telemetry};
use provisioner_lifecycle::Limits;
use serde_json::{Value, json};

/// What stands for a value that may be a secret.
const SET: &str = "(set)";

impl Config {
    /// All of it. A new field has to be named here, or it does not compile.
    pub(crate) fn shown(&self) -> Value {
        let Self {
            data,
            database,
            api,
            boot,
            console,
            images,
            bmc,
            networks,
            limits,
            history,
            freeze_on_clock_leap,
            log,
            telemetry,
        } = self;
        let database = database.as_ref().map(|database| {
            json!({"address": database.to_string(), "password": database.has_password().then_some(SET)})
        });
        json!({
            "data": data, "database": database, "api": shown_api(api), "boot": shown_boot(boot),
            "console": shown_console(*console), "images": shown_images(images), "bmc": shown_bmc(bmc),
            "networks": networks.iter().map(shown_network).collect::<Vec<_>>(), "limits": shown_limits(limits),
            "history": shown_history(*history), "freeze_on_clock_leap": freeze_on_clock_leap, "log": shown_log(log),
            "telemetry": telemetry.as_ref().map(shown_telemetry),
        })
    }

    /// What is served only where the configuration says so.
    pub(crate) fn features(&self) -> Value {
        let boot = &self.boot;
        json!({
            "postgresql": self.database.is_some(),
            "arm64": boot.kernel_arm64.is_some(),
            "rescue": boot.rescue.is_some() || boot.rescue_arm64.is_some(),
            "unified_kernel_images": boot.stub_x64.is_some() || boot.stub_arm64.is_some(),
            "discovery": self.networks.iter().any(|network| network.discovery),
            "bmc_scan": !self.bmc.subnets.is_empty(),
            "json_log": self.log.json,
            "traces": self.telemetry.is_some(),
        })
    }
}

fn shown_api(Api { listen, names, session, rate }: &Api) -> Value {
    let Rate { per_token, per_address, per_agent, agents_per_address, at_once } = rate;
    json!({
        "listen": listen, "names": names, "session": session.to_string(),
        "rate": {
            "per_token": per_token, "per_address": per_address, "per_agent": per_agent,
            "agents_per_address": agents_per_address, "at_once": at_once,
        },
    })
}

fn shown_boot(boot: &Boot) -> Value {
    let Boot {
        http_port,
        dhcp_port,
        tftp_port,
        kernel,
        ramdisk,
        kernel_arm64,
        ramdisk_arm64,
        rescue,
        rescue_arm64,
        stub_x64,
        stub_arm64,
        ipxe,
        kernel_parameters,
    } = boot;
    // A value may be a password for the agent's kernel; a lone word has none.
    let parameters: Vec<_> = kernel_parameters
        .iter()
        .map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={SET}") })
        .collect();
    json!({
        "http_port": http_port, "dhcp_port": dhcp_port, "tftp_port": tftp_port, "kernel": kernel, "ramdisk": ramdisk,
        "kernel_arm64": kernel_arm64, "ramdisk_arm64": ramdisk_arm64, "rescue": rescue,
        "rescue_arm64": rescue_arm64, "stub_x64": stub_x64, "stub_arm64": stub_arm64, "ipxe": ipxe,
        "kernel_parameters": parameters,
    })
}

fn shown_console(Console { record }: Console) -> Value {
    json!({"record": format!("{record:?}")})
}

/// Public keys are known by their names.
fn shown_images(Images { program, trust, caches }: &Images) -> Value {
    let keys: Vec<_> = trust.keys.iter().map(images::import::TrustedKey::name).collect();
    let caches: Vec<_> = caches.iter().map(|cache| &cache.url).collect();
    json!({
        "program": format!("{program:?}"), "trust": keys, "required": trust.required, "caches": caches,
    })
}

fn shown_bmc(Bmc { virsh, vboxmanage, subnets, scan_ports }: &Bmc) -> Value {
    let subnets: Vec<_> = subnets.iter().map(|subnet| format!("{subnet:?}")).collect();
    json!({"virsh": virsh, "vboxmanage": vboxmanage, "subnets": subnets, "scan_ports": format!("{scan_ports:?}")})
}

fn shown_network(network: &Network) -> Value {
    let Network {
        name,
        interface,
        address,
        dhcp,
        server_identifier,
        subnets,
        discovery,
        boot_chain,
        router_advertisements,
        conflict_probe,
        rogue,
        known_servers,
    } = network;
    json!({
        "name": name, "interface": interface, "address": address, "dhcp": dhcp, "server_identifier": server_identifier,
        "subnets": subnets.iter().map(|subnet| subnet.cidr()).collect::<Vec<_>>(), "discovery": discovery,
        "boot_chain": format!("{boot_chain:?}"), "router_advertisements": router_advertisements,
        "conflict_probe": conflict_probe, "rogue": format!("{rogue:?}"), "known_servers": known_servers,
    })
}

fn shown_limits(limits: &Limits) -> Value {
    let Limits {
        bmc,
        person,
        agent_call_in,
        agent_silence,
        inspect,
        write,
        write_stall,
        erase,
        erase_stall,
        phone_home,
        restarts,
        order_attempts,
        erase_limit,
    } = limits;
    let time = jiff::SignedDuration::to_string;
    json!({
        "bmc": time(bmc), "person": time(person), "agent_call_in": time(agent_call_in),
        "agent_silence": time(agent_silence), "inspect": time(inspect), "write": time(write),
        "write_stall": time(write_stall), "erase": time(erase), "erase_stall": time(erase_stall),
        "phone_home": time(phone_home), "restarts": restarts, "order_attempts": order_attempts,
        "erase_limit": format!("{erase_limit:?}"),
    })
}

fn shown_history(History { events, most, boots }: History) -> Value {
    json!({"events": events.to_string(), "most": most, "boots": boots.to_string()})
}

fn shown_log(Log { filter, json }: &Log) -> Value {
    json!({"filter": filter, "json": json})
}

fn shown_telemetry(Telemetry { collector, service, ratio, headers_file, ca_file }: &Telemetry) -> Value {
    json!({
        "collector": collector.as_str(), "service": service, "ratio": ratio,
        "headers": headers_file.as_ref().map(|_| SET), "ca_file": ca_file,
    })
}

#[cfg(test)]
mod tests {
    use crate::{app, config::PostgresDatabase};

    #[test]
    fn settings_are_shown_and_secrets_only_as_set() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = app::tests::config(folder.path());
        config.boot.kernel_parameters =
            vec![("quiet".into(), String::new()), ("console_password".into(), "hunter2".into())];
        let url = "postgres://billet:hunter2@db.example.org/site";
        config.database = Some(PostgresDatabase::parse(url, None).unwrap());
        let shown = config.shown();
        let database = serde_json::json!({"address": "billet@db.example.org:5432/site", "password": "(set)"});
        assert_eq!(shown["database"], database);
        let parameters = serde_json::json!(["quiet", "console_password=(set)"]);
        assert_eq!(shown["boot"]["kernel_parameters"], parameters);
        assert_eq!((&shown["networks"][0]["name"], &shown["limits"]["restarts"]), (&"lab".into(), &2.into()));
        assert!(!shown.to_string().contains("hunter2"));
        config.database =
            Some(PostgresDatabase::parse("postgres://billet@db.example.org/site", None).unwrap());
        assert_eq!(config.shown()["database"]["password"], serde_json::Value::Null);
        assert_eq!(config.features()["postgresql"], true);
    }
}
