//! Every path of the API, once.

/// Liveness, without a token.
pub const HEALTH: &str = "/healthz";
/// `GET` the machines (`?state=`, `?pool=`), `POST` one.
pub const MACHINES: &str = "/v1/machines";
/// `GET`, `PATCH`, `DELETE` a machine by name or id.
pub const MACHINE: &str = "/v1/machines/{machine}";
/// `POST` an action.
pub const MACHINE_ACTIONS: &str = "/v1/machines/{machine}/actions";
/// `GET` the timeline (`?after=`: only newer than that event id).
pub const MACHINE_EVENTS: &str = "/v1/machines/{machine}/events";
/// `GET` what it waits for.
pub const MACHINE_WHY: &str = "/v1/machines/{machine}/why";
/// `GET` what the BMC says of itself, `PATCH` small settings of it.
pub const MACHINE_BMC: &str = "/v1/machines/{machine}/bmc";
/// `GET` the power as the BMC says it, `POST` a button.
pub const MACHINE_BMC_POWER: &str = "/v1/machines/{machine}/bmc/power";
/// `GET` the boot override, `PUT` it.
pub const MACHINE_BMC_BOOT: &str = "/v1/machines/{machine}/bmc/boot";
/// `GET` the sensors.
pub const MACHINE_BMC_SENSORS: &str = "/v1/machines/{machine}/bmc/sensors";
/// `GET` the hardware's event log, `DELETE` its entries, `PATCH` its clock.
pub const MACHINE_BMC_SEL: &str = "/v1/machines/{machine}/bmc/sel";
/// `GET` the field replaceable units.
pub const MACHINE_BMC_FRU: &str = "/v1/machines/{machine}/bmc/fru";
/// `POST` what the lamp shall do.
pub const MACHINE_BMC_IDENTIFY: &str = "/v1/machines/{machine}/bmc/identify";
/// `GET` the BMC's users.
pub const MACHINE_BMC_USERS: &str = "/v1/machines/{machine}/bmc/users";
/// `PATCH` a user slot.
pub const MACHINE_BMC_USER: &str = "/v1/machines/{machine}/bmc/users/{slot}";
/// `GET` the serial console's bytes (`?from=POSITION`, `?tail=BYTES`, `?follow=true`: go on with what comes),
/// `POST` what is typed.
pub const MACHINE_CONSOLE: &str = "/v1/machines/{machine}/console";
/// `POST` (without a body) a break on the serial line.
pub const MACHINE_CONSOLE_BREAK: &str = "/v1/machines/{machine}/console/break";
/// `GET` whether the console is connected, and what of it is recorded.
pub const MACHINE_CONSOLE_STATUS: &str = "/v1/machines/{machine}/console/status";
/// `GET` the instances, `POST` one.
pub const INSTANCES: &str = "/v1/instances";
/// `GET`, `DELETE` an instance by name or id.
pub const INSTANCE: &str = "/v1/instances/{instance}";
/// `GET` the timeline.
pub const INSTANCE_EVENTS: &str = "/v1/instances/{instance}/events";
/// `GET` what it waits for.
pub const INSTANCE_WHY: &str = "/v1/instances/{instance}/why";
/// `GET` the images, `POST` one (query: `ImageSpec`, body: the file).
pub const IMAGES: &str = "/v1/images";
/// `GET`, `DELETE` an image by name or id.
pub const IMAGE: &str = "/v1/images/{image}";
/// `GET` the networks.
pub const NETWORKS: &str = "/v1/networks";
/// `GET` a network by name.
pub const NETWORK: &str = "/v1/networks/{network}";
/// `GET` its leases.
pub const LEASES: &str = "/v1/networks/{network}/leases";
/// `GET` its reservations, `POST` one.
pub const RESERVATIONS: &str = "/v1/networks/{network}/reservations";
/// `DELETE` the reservation of a MAC address.
pub const RESERVATION: &str = "/v1/networks/{network}/reservations/{mac}";
/// `GET` the boot conversation of a machine by name or id, or of a MAC address (`?after=`: only newer than that entry).
pub const BOOT_TRACE: &str = "/v1/boot-traces/{machine}";
/// `GET` the metrics, in the text format of Prometheus.
pub const METRICS: &str = "/metrics";

/// The agent: `POST` a `ClaimRequest` with the boot window's token.
pub const AGENT_CLAIM: &str = "/agent/v1/claim";
/// The agent: `GET` an `Order` by long poll (`?wait=seconds`), 204 when there is none.
pub const AGENT_ORDERS: &str = "/agent/v1/orders";
/// The agent: `POST` a `Report`.
pub const AGENT_REPORTS: &str = "/agent/v1/reports";
/// The agent: `GET` a manifest by its SHA-256 (JSON of `images::Manifest`).
pub const AGENT_MANIFEST: &str = "/agent/v1/manifests/{sha256}";
/// The agent: `GET` a chunk by the SHA-256 of its stored bytes.
pub const AGENT_CHUNK: &str = "/agent/v1/chunks/{sha256}";
