//! Resources that don't change: the entry, the collections, interfaces, chassis and manager.

use super::answer::{collection, error, resource};
use super::state::Shared;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const INTERFACES: &str = "/redfish/v1/Systems/1/EthernetInterfaces";
const CHASSIS: &str = "/redfish/v1/Chassis/1";
const MANAGER: &str = "/redfish/v1/Managers/1";

/// GET of the versions (DSP0266 section 6.6).
pub(super) async fn versions() -> Response {
    resource(&json!({"v1": "/redfish/v1/"}))
}

/// GET of the service root.
pub(super) async fn root(State(state): State<Shared>) -> Response {
    resource(&json!({
        "@odata.id": "/redfish/v1/",
        "@odata.type": "#ServiceRoot.v1_17_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.20.0",
        "UUID": state.identity.uuid,
        "Vendor": "Billet",
        "Product": "Simulated BMC",
        "ProtocolFeaturesSupported": {"FilterQuery": false, "SelectQuery": false, "OnlyMemberQuery": false},
        "SessionService": {"@odata.id": "/redfish/v1/SessionService"},
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
        "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
        "Managers": {"@odata.id": "/redfish/v1/Managers"},
        "Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}},
    }))
}

/// GET of the OData service document (DSP0266 section 8.4.3).
pub(super) async fn odata() -> Response {
    let value: Vec<_> = ["Systems", "Chassis", "Managers", "SessionService"]
        .iter()
        .map(|name| json!({"name": name, "kind": "Singleton", "url": format!("/redfish/v1/{name}")}))
        .collect();
    resource(&json!({"@odata.context": "/redfish/v1/$metadata", "value": value}))
}

/// GET of the systems.
pub(super) async fn systems() -> Response {
    collection("/redfish/v1/Systems", "ComputerSystem", &[SYSTEM.into()])
}

/// GET of the network ports.
pub(super) async fn interfaces(State(state): State<Shared>) -> Response {
    let count = state.identity.macs.len();
    let members: Vec<String> = (1..=count).map(|id| format!("{INTERFACES}/{id}")).collect();
    collection(INTERFACES, "EthernetInterface", &members)
}

/// GET of one network port.
pub(super) async fn interface(State(state): State<Shared>, Path(id): Path<usize>) -> Response {
    let Some(mac) = id.checked_sub(1).and_then(|index| state.identity.macs.get(index)) else {
        return missing().await;
    };
    resource(&json!({
        "@odata.id": format!("{INTERFACES}/{id}"),
        "@odata.type": "#EthernetInterface.v1_12_1.EthernetInterface",
        "Id": id.to_string(),
        "Name": format!("Network port {id}"),
        "MACAddress": mac,
        "PermanentMACAddress": mac,
        "InterfaceEnabled": true,
        "Status": {"State": "Enabled", "Health": "OK"},
    }))
}

/// GET of the chassis collection.
pub(super) async fn chassis_list() -> Response {
    collection("/redfish/v1/Chassis", "Chassis", &[CHASSIS.into()])
}

/// GET of the chassis.
pub(super) async fn chassis(State(state): State<Shared>) -> Response {
    let power = match state.chassis.power().await {
        Ok(on) => {
            if on {
                "On"
            } else {
                "Off"
            }
        }
        Err(error) => return super::answer::broken(&error),
    };
    resource(&json!({
        "@odata.id": CHASSIS,
        "@odata.type": "#Chassis.v1_25_1.Chassis",
        "Id": "1",
        "Name": format!("{} chassis", state.identity.name),
        "ChassisType": "RackMount",
        "Manufacturer": "Billet",
        "Model": state.identity.model,
        "PowerState": power,
        "Status": {"State": "Enabled", "Health": "OK"},
        "Links": {"ComputerSystems": [{"@odata.id": SYSTEM}], "ManagedBy": [{"@odata.id": MANAGER}]},
    }))
}

/// GET of the managers.
pub(super) async fn managers() -> Response {
    collection("/redfish/v1/Managers", "Manager", &[MANAGER.into()])
}

/// GET of the manager.
pub(super) async fn manager(State(state): State<Shared>) -> Response {
    resource(&json!({
        "@odata.id": MANAGER,
        "@odata.type": "#Manager.v1_19_1.Manager",
        "Id": "1",
        "Name": format!("{} BMC", state.identity.name),
        "ManagerType": "BMC",
        "Manufacturer": "Billet",
        "Model": "Simulated BMC",
        "FirmwareVersion": env!("CARGO_PKG_VERSION"),
        "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"},
        "Links": {"ManagerForServers": [{"@odata.id": SYSTEM}], "ManagerForChassis": [{"@odata.id": CHASSIS}]},
    }))
}

/// 404 for all else.
pub(super) async fn missing() -> Response {
    let message = "The requested resource was not found.";
    let mend = "Provide a valid resource identifier and resubmit the request.";
    error(StatusCode::NOT_FOUND, "ResourceMissingAtURI", message, mend)
}

/// 405 for a method that a resource doesn't take.
pub(super) async fn wrong_method() -> Response {
    let message = "The HTTP method is not allowed on this resource.";
    error(StatusCode::METHOD_NOT_ALLOWED, "OperationNotAllowed", message, "None.")
}
