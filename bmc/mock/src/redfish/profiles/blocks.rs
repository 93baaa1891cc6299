//! The pieces that profiles are built of: services and resources as the standard has them, at a maker's paths and with a
//! maker's ids. What a maker has besides is merged in by the profile.

use super::manners::Manners;
use crate::redfish::tree::{Tree, into_map, merge};
use serde_json::{Value, json};

pub(super) const ROOT: &str = "/redfish/v1";

/// A profile in the making.
pub(super) struct Builder {
    pub(super) tree: Tree,
    /// How many network ports the machine has.
    pub(super) ports: usize,
    pub(super) system: String,
    pub(super) manager: String,
    /// The main chassis.
    pub(super) chassis: String,
}

/// All is well.
pub(super) fn fine() -> Value {
    json!({"State": "Enabled", "Health": "OK"})
}

/// Merges a maker's part into a resource.
pub(super) fn with(mut resource: Value, more: Value) -> Value {
    merge(&mut resource, more, true);
    resource
}

impl Builder {
    /// With the collections of systems, managers and chassis, each of one.
    pub(super) fn new(manners: Manners, ports: usize, system: &str, manager: &str, chassis: &str) -> Self {
        let mut tree = Tree::new(manners);
        let path = |collection: &str, id: &str| format!("{ROOT}/{collection}/{id}");
        let (system, manager, chassis) =
            (path("Systems", system), path("Managers", manager), path("Chassis", chassis));
        tree.collection("/redfish/v1/Systems", "ComputerSystem", &[&system]);
        tree.collection("/redfish/v1/Managers", "Manager", &[&manager]);
        tree.collection("/redfish/v1/Chassis", "Chassis", &[&chassis]);
        tree.places.system.clone_from(&system);
        tree.places.manager.clone_from(&manager);
        tree.places.chassis = vec![chassis.clone()];
        Self { tree, ports, system, manager, chassis }
    }

    /// Puts a resource: type, id, name and the rest, in which `null` is a value.
    pub(super) fn put(&mut self, path: &str, kind: &str, name: &str, more: Value) {
        let short = kind.split('.').next().unwrap_or(kind);
        let id = path.rsplit('/').next().unwrap_or(path);
        let mut resource = json!({"@odata.type": format!("#{kind}.{short}"), "Id": id, "Name": name});
        for (name, value) in into_map(more) {
            resource[name] = value;
        }
        self.tree.put(path, resource);
    }

    /// A link.
    pub(super) fn link(&self, path: &str) -> Value {
        self.tree.link(path)
    }

    /// Links.
    pub(super) fn links(&self, paths: &[String]) -> Vec<Value> {
        paths.iter().map(|path| self.tree.link(path)).collect()
    }

    /// Puts resources of one kind and their collection; answers their paths. `each` says what the one of a number (from
    /// 0) is like.
    pub(super) fn members(
        &mut self,
        collection: &str,
        kind: &str,
        ids: &[&str],
        each: impl Fn(usize, &str) -> Value,
    ) -> Vec<String> {
        let short = kind.split('.').next().unwrap_or(kind);
        let paths: Vec<String> = ids.iter().map(|id| format!("{collection}/{id}")).collect();
        for (number, (path, id)) in paths.iter().zip(ids).enumerate() {
            self.put(path, kind, id, each(number, id));
        }
        self.tree.collection(collection, short, &paths);
        paths
    }

    /// The service root, with links to what there is. Comes last.
    pub(super) fn root(&mut self, kind: &str, version: &str, more: Value) {
        let mut root = json!({
            "@odata.type": format!("#{kind}.ServiceRoot"),
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": version,
            "UUID": "{{uuid}}",
            "Links": {"Sessions": self.link("/redfish/v1/SessionService/Sessions")},
        });
        for name in [
            "Systems",
            "Chassis",
            "Managers",
            "SessionService",
            "AccountService",
            "UpdateService",
            "EventService",
            "Registries",
        ] {
            let path = format!("{ROOT}/{name}");
            if self.tree.get(&path).is_some() {
                root[name] = self.link(&path);
            }
        }
        if self.tree.get("/redfish/v1/TaskService").is_some() {
            root["Tasks"] = self.link("/redfish/v1/TaskService");
        }
        self.tree.put(ROOT, with(root, more));
    }

    /// The session service.
    pub(super) fn sessions(&mut self, kind: &str) {
        let more = json!({
            "ServiceEnabled": true,
            "SessionTimeout": 1800,
            "Status": fine(),
            "Sessions": self.link("/redfish/v1/SessionService/Sessions"),
        });
        self.put("/redfish/v1/SessionService", kind, "Session Service", more);
        self.tree.collection::<&str>("/redfish/v1/SessionService/Sessions", "Session", &[]);
    }

    /// The account service with the roles of DSP0266; accounts themselves come from the table of users.
    pub(super) fn accounts(&mut self, kind: &str, more: Value) {
        let (accounts, roles) = ("/redfish/v1/AccountService/Accounts", "/redfish/v1/AccountService/Roles");
        let base = json!({
            "ServiceEnabled": true,
            "Status": fine(),
            "MinPasswordLength": 8,
            "MaxPasswordLength": 20,
            "AccountLockoutThreshold": 0,
            "AccountLockoutDuration": 600,
            "AuthFailureLoggingThreshold": 3,
            "Accounts": self.link(accounts),
            "Roles": self.link(roles),
        });
        self.put("/redfish/v1/AccountService", kind, "Account Service", with(base, more));
        self.tree.collection::<&str>(accounts, "ManagerAccount", &[]);
        self.members(roles, "Role.v1_3_1", &["Administrator", "Operator", "ReadOnly"], |number, id| {
            let privileges: &[&str] = match number {
                0 => &["Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"],
                1 => &["Login", "ConfigureSelf", "ConfigureComponents"],
                _ => &["Login", "ConfigureSelf"],
            };
            json!({"RoleId": id, "IsPredefined": true, "AssignedPrivileges": privileges, "OemPrivileges": []})
        });
        self.tree.places.accounts = accounts.into();
        self.tree.places.roles = roles.into();
    }

    /// The task service.
    pub(super) fn tasks(&mut self) {
        let tasks = "/redfish/v1/TaskService/Tasks";
        let more = json!({
            "ServiceEnabled": true,
            "CompletedTaskOverWritePolicy": "Oldest",
            "LifeCycleEventOnTaskStateChange": true,
            "Status": fine(),
            "Tasks": self.link(tasks),
        });
        self.put("/redfish/v1/TaskService", "TaskService.v1_2_1", "Task Service", more);
        self.tree.collection::<&str>(tasks, "Task", &[]);
        self.tree.places.tasks = Some(tasks.into());
    }

    /// The event service, with server-sent events at `sse`.
    pub(super) fn events(&mut self, sse: &str, more: Value) {
        let subscriptions = "/redfish/v1/EventService/Subscriptions";
        let base = json!({
            "ServiceEnabled": true,
            "Status": fine(),
            "DeliveryRetryAttempts": 3,
            "DeliveryRetryIntervalSeconds": 30,
            "EventFormatTypes": ["Event"],
            "RegistryPrefixes": ["Base", "ResourceEvent", "TaskEvent"],
            "ResourceTypes": ["ComputerSystem", "Task"],
            "ServerSentEventUri": sse,
            "Subscriptions": self.link(subscriptions),
            "Actions": {"#EventService.SubmitTestEvent":
                {"target": "/redfish/v1/EventService/Actions/EventService.SubmitTestEvent"}},
        });
        self.put("/redfish/v1/EventService", "EventService.v1_10_2", "Event Service", with(base, more));
        self.tree.collection::<&str>(subscriptions, "EventDestination", &[]);
        self.tree.places.events = Some("/redfish/v1/EventService".into());
        self.tree.places.subscriptions = Some(subscriptions.into());
    }

    /// The update service: `push` for single images, `multipart` for those with parameters.
    pub(super) fn updates(
        &mut self,
        push: Option<&str>,
        multipart: Option<&str>,
        items: &[Item<'_>],
        more: Value,
    ) {
        let firmware = "/redfish/v1/UpdateService/FirmwareInventory";
        let mut base = json!({
            "ServiceEnabled": true,
            "Status": fine(),
            "FirmwareInventory": self.link(firmware),
            "Actions": {"#UpdateService.SimpleUpdate": {
                "target": "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate",
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
            }},
        });
        for (name, path) in [("HttpPushUri", push), ("MultipartHttpPushUri", multipart)] {
            if let Some(path) = path {
                base[name] = path.into();
                self.tree.places.pushes.push(path.to_owned());
            }
        }
        self.put("/redfish/v1/UpdateService", "UpdateService.v1_14_1", "Update Service", with(base, more));
        let ids: Vec<&str> = items.iter().map(|item| item.id).collect();
        let paths = self.members(firmware, "SoftwareInventory.v1_11_0", &ids, |number, _| {
            let item = &items[number];
            json!({
                "Name": item.name,
                "Version": item.version,
                "Updateable": item.updateable,
                "Status": fine(),
            })
        });
        debug_assert_eq!(paths.len(), items.len());
        self.tree.places.update = Some("/redfish/v1/UpdateService".into());
        self.tree.places.firmware = Some(firmware.into());
    }

    /// The log services of a system or manager: id, kind of entries, name.
    pub(super) fn logs(&mut self, owner: &str, logs: &[(&str, &str, &str)]) {
        let collection = format!("{owner}/LogServices");
        let paths: Vec<String> =
            logs.iter().map(|(id, kind, name)| self.log(&collection, id, kind, name)).collect();
        self.tree.collection(&collection, "LogService", &paths);
        self.tree.merge(owner, json!({"LogServices": self.link(&collection)}));
    }

    /// A log service with its entries.
    fn log(&mut self, collection: &str, id: &str, kind: &str, name: &str) -> String {
        let path = format!("{collection}/{id}");
        let entries = format!("{path}/Entries");
        let more = json!({
            "ServiceEnabled": true,
            "LogEntryType": kind,
            "MaxNumberOfRecords": 1000,
            "OverWritePolicy": if kind == "SEL" { "NeverOverWrites" } else { "WrapsWhenFull" },
            "DateTime": "2026-01-01T00:00:00+00:00",
            "DateTimeLocalOffset": "+00:00",
            "Status": fine(),
            "Entries": self.link(&entries),
            "Actions": {"#LogService.ClearLog": {"target": format!("{path}/Actions/LogService.ClearLog")}},
        });
        self.put(&path, "LogService.v1_7_0", name, more);
        self.tree.collection::<&str>(&entries, "LogEntry", &[]);
        self.tree.places.logs.push(path.clone());
        path
    }

    /// Slots for virtual media of a system or manager; `more` says what a maker has besides.
    pub(super) fn media(&mut self, owner: &str, slots: &[(&str, &[&str])], more: &Value) {
        let collection = &format!("{owner}/VirtualMedia");
        let ids: Vec<&str> = slots.iter().map(|(id, _)| *id).collect();
        let paths = self.members(collection, "VirtualMedia.v1_6_3", &ids, |number, id| {
            let path = format!("{collection}/{id}");
            let base = json!({
                "Name": format!("Virtual media {id}"),
                "MediaTypes": slots[number].1,
                "Image": null,
                "ImageName": null,
                "ConnectedVia": "NotConnected",
                "Inserted": false,
                "WriteProtected": true,
                "TransferProtocolType": null,
                "Actions": {
                    "#VirtualMedia.InsertMedia": {"target": format!("{path}/Actions/VirtualMedia.InsertMedia")},
                    "#VirtualMedia.EjectMedia": {"target": format!("{path}/Actions/VirtualMedia.EjectMedia")},
                },
            });
            with(base, more.clone())
        });
        self.tree.places.media.extend(paths);
        self.tree.merge(owner, json!({"VirtualMedia": self.link(collection)}));
    }

    /// Secure Boot.
    pub(super) fn secure_boot(&mut self, path: &str) {
        let more = json!({
            "Name": "UEFI Secure Boot",
            "SecureBootEnable": false,
            "SecureBootCurrentBoot": "Disabled",
            "SecureBootMode": "UserMode",
            "Actions": {"#SecureBoot.ResetKeys": {
                "target": format!("{path}/Actions/SecureBoot.ResetKeys"),
                "ResetKeysType@Redfish.AllowableValues":
                    ["ResetAllKeysToDefault", "DeleteAllKeys", "DeletePK"],
            }},
        });
        self.put(path, "SecureBoot.v1_1_2", "UEFI Secure Boot", more);
        self.tree.places.secure_boot = Some(path.into());
    }

    /// Boot options and the order in which they are tried.
    pub(super) fn boot_options(&mut self, collection: &str, options: &[(&str, &str, &str)]) -> Value {
        let ids: Vec<&str> = options.iter().map(|(reference, ..)| *reference).collect();
        self.members(collection, "BootOption.v1_0_6", &ids, |number, id| {
            let (_, name, path) = options[number];
            json!({
                "BootOptionReference": id,
                "DisplayName": name,
                "UefiDevicePath": path,
                "BootOptionEnabled": true,
            })
        });
        self.tree.places.boot_options = Some(collection.into());
        json!({"BootOptions": self.link(collection), "BootOrder": ids})
    }

    /// The network ports of the system, each with an interface's id.
    pub(super) fn ethernet(&mut self, id: impl Fn(usize) -> String, more: &Value) {
        let ids: Vec<String> = (0..self.ports).map(id).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let collection = format!("{}/EthernetInterfaces", self.system);
        self.members(&collection, "EthernetInterface.v1_12_1", &ids, |number, _| {
            let base = json!({
                "Name": format!("Network port {}", number + 1),
                "MACAddress": format!("{{{{mac{number}}}}}"),
                "PermanentMACAddress": format!("{{{{mac{number}}}}}"),
                "InterfaceEnabled": true,
                "LinkStatus": "LinkUp",
                "SpeedMbps": 10000,
                "FullDuplex": true,
                "Status": fine(),
                "UefiDevicePath": format!("PciRoot(0x0)/Pci(0x1C,0x{number:X})/Pci(0x0,0x0)"),
            });
            with(base, more.clone())
        });
        self.tree.merge(&self.system.clone(), json!({"EthernetInterfaces": self.link(&collection)}));
    }

    /// The network interface of the manager, and its protocols.
    pub(super) fn manager_network(&mut self, id: &str) {
        let collection = format!("{}/EthernetInterfaces", self.manager);
        let paths = self.members(&collection, "EthernetInterface.v1_12_1", &[id], |_, _| {
            json!({
                "Name": "Manager Ethernet Interface",
                "MACAddress": "02:00:00:00:00:01",
                "PermanentMACAddress": "02:00:00:00:00:01",
                "InterfaceEnabled": true,
                "HostName": "bmc",
                "SpeedMbps": 1000,
                "FullDuplex": true,
                "Status": fine(),
                "DHCPv4": {"DHCPEnabled": true, "UseDNSServers": true, "UseGateway": true},
                "IPv4Addresses": [{
                    "Address": "192.0.2.10", "SubnetMask": "255.255.255.0", "AddressOrigin": "DHCP",
                    "Gateway": "192.0.2.1",
                }],
                "IPv4StaticAddresses": [],
                "IPv6Addresses": [],
                "NameServers": ["192.0.2.1"],
                "VLAN": {"VLANEnable": false, "VLANId": 0},
            })
        });
        self.tree.places.manager_ports.extend(paths);
        let protocol = format!("{}/NetworkProtocol", self.manager);
        let more = json!({
            "HostName": "bmc",
            "Status": fine(),
            "HTTP": {"ProtocolEnabled": true, "Port": 80},
            "HTTPS": {"ProtocolEnabled": true, "Port": 443},
            "SSH": {"ProtocolEnabled": true, "Port": 22},
            "IPMI": {"ProtocolEnabled": true, "Port": 623},
            "NTP": {"ProtocolEnabled": false, "NTPServers": []},
        });
        self.put(&protocol, "ManagerNetworkProtocol.v1_10_1", "Manager Network Protocol", more);
        let change =
            json!({"EthernetInterfaces": self.link(&collection), "NetworkProtocol": self.link(&protocol)});
        self.tree.merge(&self.manager.clone(), change);
    }

    /// Message registries, by name, and the one for BIOS attributes, which the BMC serves itself.
    pub(super) fn registries(&mut self, bios: &str, uri: &str) {
        let collection = "/redfish/v1/Registries";
        let ids = ["Base.1.18.1", "ResourceEvent.1.3.0", "TaskEvent.1.0.3", bios];
        self.members(collection, "MessageRegistryFile.v1_1_3", &ids, |_, id| {
            let location = if id == bios {
                json!({"Language": "en", "Uri": uri})
            } else {
                json!({
                    "Language": "en",
                    "PublicationUri": format!("https://redfish.dmtf.org/registries/{id}.json"),
                })
            };
            json!({"Name": format!("{id} registry file"), "Languages": ["en"], "Registry": id, "Location": [location]})
        });
    }
}

/// A piece of firmware.
pub(super) struct Item<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) updateable: bool,
}

impl<'a> Item<'a> {
    /// One that can be updated.
    pub(super) fn new(id: &'a str, name: &'a str, version: &'a str) -> Self {
        Self { id, name, version, updateable: true }
    }

    /// One that can't.
    pub(super) fn fixed(id: &'a str, name: &'a str, version: &'a str) -> Self {
        Self { updateable: false, ..Self::new(id, name, version) }
    }
}
