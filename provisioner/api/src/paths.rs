//! Every path of the API, once.

/// Liveness, without a token.
pub const HEALTH: &str = "/healthz";
/// `GET` the OpenAPI document of all these paths, without a token.
pub const OPENAPI: &str = "/v1/openapi.json";
/// `GET` the machines by name (`?state=`, `?pool=`, `?held=true`, `?limit=`, `?after=`), `POST` one.
pub const MACHINES: &str = "/v1/machines";
/// `GET`, `PATCH`, `DELETE` a machine by name or id.
pub const MACHINE: &str = "/v1/machines/{machine}";
/// `POST` an action.
pub const MACHINE_ACTIONS: &str = "/v1/machines/{machine}/actions";
/// `POST` a `MachineAdopt`: what runs on it becomes an instance.
pub const MACHINE_ADOPT: &str = "/v1/machines/{machine}/adopt";
/// `POST` a `MachineService`: planned work, after which the machine is again what it was.
pub const MACHINE_SERVICE: &str = "/v1/machines/{machine}/service";
/// `POST` a `ChooseRequest`: what is to be done about held work.
pub const MACHINE_CHOOSE: &str = "/v1/machines/{machine}/choose";
/// `POST` a `MachineScrap`: forgets a machine whose hardware is dead, and its instance.
pub const MACHINE_SCRAP: &str = "/v1/machines/{machine}/scrap";
/// `GET` the timeline, oldest first (`?after=`: only newer than that event id, `?limit=`; `?newest=` instead of both: the
/// last so many).
pub const MACHINE_EVENTS: &str = "/v1/machines/{machine}/events";
/// `GET` all that is known of it, from every source, in the order in which it happened (`?since=`, `?until=`: times;
/// `?kinds=dhcp,boot`; `?after=`, `?limit=`, or `?newest=` instead of both).
pub const MACHINE_TIMELINE: &str = "/v1/machines/{machine}/timeline";
/// `GET` what it waits for.
pub const MACHINE_WHY: &str = "/v1/machines/{machine}/why";
/// `GET` what the BMC says of itself, `PATCH` small settings of it.
pub const MACHINE_BMC: &str = "/v1/machines/{machine}/bmc";
/// `GET` the power as the BMC says it, `POST` a button.
pub const MACHINE_BMC_POWER: &str = "/v1/machines/{machine}/bmc/power";
/// `POST` what somebody did at the machine, where nothing else tells (`manual`, `wake-on-lan`).
pub const MACHINE_BMC_CONFIRM: &str = "/v1/machines/{machine}/bmc/confirm";
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
/// `GET` the BMC's users, `POST` one more.
pub const MACHINE_BMC_USERS: &str = "/v1/machines/{machine}/bmc/users";
/// `PATCH`, `DELETE` a user.
pub const MACHINE_BMC_USER: &str = "/v1/machines/{machine}/bmc/users/{id}";
/// `GET` the slots for virtual media, `POST` an image into one, `DELETE` what is in them all.
pub const MACHINE_BMC_MEDIA: &str = "/v1/machines/{machine}/bmc/media";
/// `DELETE` what is in a slot for virtual media.
pub const MACHINE_BMC_MEDIA_SLOT: &str = "/v1/machines/{machine}/bmc/media/{slot}";
/// `GET` the state of Secure Boot, `PATCH` it.
pub const MACHINE_BMC_SECURE_BOOT: &str = "/v1/machines/{machine}/bmc/secure-boot";
/// `POST` which keys of Secure Boot are there then.
pub const MACHINE_BMC_SECURE_BOOT_KEYS: &str = "/v1/machines/{machine}/bmc/secure-boot/reset-keys";
/// `GET` the firmware's setup, `PATCH` attributes of it.
pub const MACHINE_BMC_BIOS: &str = "/v1/machines/{machine}/bmc/bios";
/// `POST` (without a body) sets the firmware's setup to the maker's defaults, at the next boot.
pub const MACHINE_BMC_BIOS_RESET: &str = "/v1/machines/{machine}/bmc/bios/reset";
/// `GET` the firmware's boot order, `PUT` what comes first.
pub const MACHINE_BMC_BOOT_ORDER: &str = "/v1/machines/{machine}/bmc/boot-order";
/// `GET` what firmware there is, `POST` an update.
pub const MACHINE_BMC_FIRMWARE: &str = "/v1/machines/{machine}/bmc/firmware";
/// `GET` the BMC's tasks.
pub const MACHINE_BMC_TASKS: &str = "/v1/machines/{machine}/bmc/tasks";
/// `GET` a task; `DELETE`: Billet follows it no longer, and lets the machine be switched again.
pub const MACHINE_BMC_TASK: &str = "/v1/machines/{machine}/bmc/tasks/{id}";
/// `GET` the machine's parts as the BMC knows them.
pub const MACHINE_BMC_HARDWARE: &str = "/v1/machines/{machine}/bmc/hardware";
/// `GET` the BMC's logs.
pub const MACHINE_BMC_LOGS: &str = "/v1/machines/{machine}/bmc/logs";
/// `GET` the newest entries of a log (`?newest=`, 100 when absent), `DELETE` them all.
pub const MACHINE_BMC_LOG: &str = "/v1/machines/{machine}/bmc/logs/{id}";
/// `GET` what the BMC reports by itself, from now on, as server-sent events.
pub const MACHINE_BMC_REPORTS: &str = "/v1/machines/{machine}/bmc/reports";
/// `GET` the subscriptions that the BMC posts reports to, `POST` one.
pub const MACHINE_BMC_SUBSCRIPTIONS: &str = "/v1/machines/{machine}/bmc/subscriptions";
/// `DELETE` a subscription.
pub const MACHINE_BMC_SUBSCRIPTION: &str = "/v1/machines/{machine}/bmc/subscriptions/{id}";
/// `POST` (without a body) restarts the BMC; the machine goes on.
pub const MACHINE_BMC_RESTART: &str = "/v1/machines/{machine}/bmc/restart";
/// `POST` (without a body) changes the password that Billet logs in with to a new random one.
pub const MACHINE_BMC_ROTATE_PASSWORD: &str = "/v1/machines/{machine}/bmc/rotate-password";
/// `GET` a recording of its BMC: all that it answers to reading, without what tells whose it is.
pub const MACHINE_BMC_RECORD: &str = "/v1/machines/{machine}/bmc/record";
/// `POST` how its BMC is audited; answers what is weak about it.
pub const MACHINE_BMC_AUDIT: &str = "/v1/machines/{machine}/bmc/audit";
/// `POST` a `BmcScan`: searches a declared subnet for BMCs.
pub const BMC_SCANS: &str = "/v1/bmc-scans";
/// `GET` the serial console's bytes (`?from=POSITION`, `?tail=BYTES`, `?follow=true`: go on with what comes),
/// `POST` what is typed.
pub const MACHINE_CONSOLE: &str = "/v1/machines/{machine}/console";
/// `POST` (without a body) a break on the serial line.
pub const MACHINE_CONSOLE_BREAK: &str = "/v1/machines/{machine}/console/break";
/// `GET` whether the console is connected, and what of it is recorded.
pub const MACHINE_CONSOLE_STATUS: &str = "/v1/machines/{machine}/console/status";
/// `GET` the instances by name (`?state=`, `?limit=`, `?after=`), `POST` one.
pub const INSTANCES: &str = "/v1/instances";
/// `GET`, `PATCH`, `DELETE` an instance by name or id.
pub const INSTANCE: &str = "/v1/instances/{instance}";
/// `POST` an action.
pub const INSTANCE_ACTIONS: &str = "/v1/instances/{instance}/actions";
/// `POST` an `InstanceReinstall`: its root disk is written anew.
pub const INSTANCE_REINSTALL: &str = "/v1/instances/{instance}/reinstall";
/// `POST` an `InstanceRescue`: its machine runs a rescue system in RAM.
pub const INSTANCE_RESCUE: &str = "/v1/instances/{instance}/rescue";
/// `POST` (without a body) ends that: its own system boots again.
pub const INSTANCE_UNRESCUE: &str = "/v1/instances/{instance}/unrescue";
/// `GET` the timeline, as of a machine.
pub const INSTANCE_EVENTS: &str = "/v1/instances/{instance}/events";
/// `GET` all that is known of it and, from when it was asked for, of its machine; as of a machine.
pub const INSTANCE_TIMELINE: &str = "/v1/instances/{instance}/timeline";
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
/// `GET` its leases by address (`?limit=`, `?after=`).
pub const LEASES: &str = "/v1/networks/{network}/leases";
/// `GET` its reservations by address (`?limit=`, `?after=`), `POST` one.
pub const RESERVATIONS: &str = "/v1/networks/{network}/reservations";
/// `DELETE` the reservation of a MAC address.
pub const RESERVATION: &str = "/v1/networks/{network}/reservations/{mac}";
/// `GET` the addresses that are taken out of the address plan (`?limit=`, `?after=`), `POST` an `AddressClaim`.
pub const ADDRESSES: &str = "/v1/addresses";
/// `GET` a virtual address by its name, `DELETE` it while no instance uses it.
pub const ADDRESS: &str = "/v1/addresses/{name}";
/// `GET` the boot conversation of a machine by name or id, or of a MAC address (`?after=`: only newer than that entry).
pub const BOOT_TRACE: &str = "/v1/boot-traces/{machine}";
/// `GET` a backup of the database: one file (`application/zstd`), as it is at one moment.
pub const BACKUP: &str = "/v1/backup";
/// `GET` a support bundle: one file (`application/gzip`, a tar) with what this replica says of itself and of the site, without
/// secrets (`?machine=`: and of that machine).
pub const SUPPORT: &str = "/v1/support";
/// `GET` a `Readiness`, without a token: 200 when all parts are ready, else 503.
pub const READY: &str = "/readyz";
/// `GET` a `KeyList`: the site keys, and how many secrets are sealed with older ones.
pub const KEY: &str = "/v1/key";
/// `POST` (without a body): a new site key is made and seals every secret from then on. Answers a `KeyList`.
pub const KEY_ROTATE: &str = "/v1/key/rotate";
/// `POST` (without a body): the older site keys are taken away. Answers a `KeyList`.
pub const KEY_RETIRE: &str = "/v1/key/retire";
/// `GET` a `Works`: whether everything is frozen, and how many machines are being wiped.
pub const WORKS: &str = "/v1/works";
/// `POST` a `FreezeRequest`: nobody begins anything any more. One that there is already stays as it is.
pub const WORKS_FREEZE: &str = "/v1/works/freeze";
/// `POST` (without a body) ends the freeze, if there is one.
pub const WORKS_UNFREEZE: &str = "/v1/works/unfreeze";
/// `GET` the replicas.
pub const REPLICAS: &str = "/v1/replicas";
/// `GET` the jobs of all machines, newest first (`?state=running|ended`, `?kind=`, `?machine=`, `?limit=`, `?after=`).
pub const JOBS: &str = "/v1/jobs";
/// `GET` a job by id.
pub const JOB: &str = "/v1/jobs/{job}";
/// `GET` the events of all machines and instances, oldest first (`?kinds=dhcp,boot`, `?after=`, `?limit=`; `?newest=`
/// instead of the last two).
pub const EVENTS: &str = "/v1/events";
/// `GET` the pools by name, with their machines counted; `POST` a `PoolCreate`.
pub const POOLS: &str = "/v1/pools";
/// `GET`, `PATCH`, `DELETE` a pool by name.
pub const POOL: &str = "/v1/pools/{pool}";
/// `GET` the zones by name, with their machines counted.
pub const ZONES: &str = "/v1/zones";
/// `GET` the API tokens by name, `POST` a `TokenCreate`.
pub const TOKENS: &str = "/v1/tokens";
/// `DELETE` a token by name: it is refused from then on, by other replicas 2 s later.
pub const TOKEN: &str = "/v1/tokens/{token}";
/// `GET` the users by name, `POST` a `UserCreate`.
pub const USERS: &str = "/v1/users";
/// `GET`, `PATCH`, `DELETE` a user by name.
pub const USER: &str = "/v1/users/{user}";
/// `POST` a `Login`, without a token.
pub const LOGIN: &str = "/v1/login";
/// `POST` (without a body) ends the log-in with whose token it is asked.
pub const LOGOUT: &str = "/v1/logout";
/// `POST` a `PasswordChange`: one's own password; answers a new log-in.
pub const PASSWORD: &str = "/v1/password";
/// `GET` who asks: the token's, or the user's, name, role and pools.
pub const WHOAMI: &str = "/v1/whoami";
/// `GET` the audit log, oldest first (`?after=`: a number, `?limit=`; `?newest=` instead of both: the last so many).
pub const AUDIT: &str = "/v1/audit";
/// `GET` the records of erasures, oldest first (`?machine=`, `?serial=`, `?since=`, `?until=`, `?limit=`, `?after=`).
pub const ERASURES: &str = "/v1/erasures";
/// `GET` an `ErasureKeyList`: the public keys of certificates.
pub const ERASURE_KEYS: &str = "/v1/erasures/key";
/// `GET` an `Erasure` by id.
pub const ERASURE: &str = "/v1/erasures/{erasure}";
/// `GET` its `SignedCertificate`.
pub const ERASURE_CERTIFICATE: &str = "/v1/erasures/{erasure}/certificate";
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
/// The agent: `GET` a rescue archive by its SHA-256 (a cpio archive "newc", packed by zstd).
pub const AGENT_RESCUE: &str = "/agent/v1/rescue/{sha256}";
/// `GET` changes of machines, instances and images as they come, as server-sent events (`?kind=`, `?state=`, `?pool=`,
/// `?held=`, `?since=`).
pub const WATCH: &str = "/v1/watch";
