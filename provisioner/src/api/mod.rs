//! The HTTP API: one line for each route. Handlers load, put a request or a fact to the lifecycle, and answer;
//! none of them acts or changes a state.

mod adopt;
mod agent;
mod auth;
mod backup;
mod bmc;
mod bmc_scans;
mod boot_trace;
mod console;
mod convert;
mod error;
mod health;
mod images;
mod instance_update;
mod instances;
mod json;
mod linger;
mod machines;
mod metrics;
mod networks;
mod openapi;
mod pages;
mod phone_home;
mod ram_image;
mod readable;
mod reinstall;
mod replicas;
mod rescue;
mod reservations;
mod scrap;
mod servicing;
mod timeline;
mod validate;
mod why;
mod works;

pub(crate) use linger::linger;
pub(crate) use phone_home::router as phone_home_router;

use crate::service::Service;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use provisioner_api::paths;
use std::sync::Arc;

/// The largest body of a request, image uploads aside.
const BODY: usize = 1024 * 1024;

/// The routes of the machines' BMCs and consoles; they are among the operators'.
fn bmcs() -> Router<Arc<Service>> {
    Router::new()
        .route(paths::MACHINE_BMC, get(bmc::show).patch(bmc::update))
        .route(paths::MACHINE_BMC_POWER, get(bmc::power).post(bmc::press))
        .route(paths::MACHINE_BMC_BOOT, get(bmc::boot).put(bmc::set_boot))
        .route(paths::MACHINE_BMC_SENSORS, get(bmc::sensors))
        .route(paths::MACHINE_BMC_SEL, get(bmc::sel).delete(bmc::clear_sel).patch(bmc::set_sel_clock))
        .route(paths::MACHINE_BMC_FRU, get(bmc::fru))
        .route(paths::MACHINE_BMC_IDENTIFY, post(bmc::identify))
        .route(paths::MACHINE_BMC_USERS, get(bmc::users).post(bmc::add_user))
        .route(paths::MACHINE_BMC_USER, patch(bmc::update_user).delete(bmc::remove_user))
        .route(paths::MACHINE_BMC_ROTATE_PASSWORD, post(bmc::rotate_password))
        .route(paths::MACHINE_BMC_MEDIA, get(bmc::media).post(bmc::insert_media).delete(bmc::eject_all))
        .route(paths::MACHINE_BMC_MEDIA_SLOT, delete(bmc::eject_media))
        .route(paths::MACHINE_BMC_SECURE_BOOT, get(bmc::secure_boot).patch(bmc::set_secure_boot))
        .route(paths::MACHINE_BMC_SECURE_BOOT_KEYS, post(bmc::reset_keys))
        .route(paths::MACHINE_BMC_BIOS, get(bmc::bios).patch(bmc::set_bios))
        .route(paths::MACHINE_BMC_BIOS_RESET, post(bmc::reset_bios))
        .route(paths::MACHINE_BMC_BOOT_ORDER, get(bmc::boot_order).put(bmc::set_boot_order))
        .route(paths::MACHINE_BMC_FIRMWARE, get(bmc::firmware).post(bmc::start_update))
        .route(paths::MACHINE_BMC_TASKS, get(bmc::tasks))
        .route(paths::MACHINE_BMC_TASK, get(bmc::task).delete(bmc::forget_task))
        .route(paths::MACHINE_BMC_HARDWARE, get(bmc::hardware))
        .route(paths::MACHINE_BMC_LOGS, get(bmc::logs))
        .route(paths::MACHINE_BMC_LOG, get(bmc::log).delete(bmc::clear_log))
        .route(paths::MACHINE_BMC_REPORTS, get(bmc::reports))
        .route(paths::MACHINE_BMC_SUBSCRIPTIONS, get(bmc::subscriptions).post(bmc::subscribe))
        .route(paths::MACHINE_BMC_SUBSCRIPTION, delete(bmc::unsubscribe))
        .route(paths::MACHINE_BMC_RESTART, post(bmc::restart))
        .route(paths::MACHINE_BMC_RECORD, get(bmc::record))
        .route(paths::MACHINE_BMC_AUDIT, post(bmc::audit))
        .route(paths::MACHINE_BMC_CONFIRM, post(bmc::confirm))
        .route(paths::MACHINE_CONSOLE, get(console::read).post(console::write))
        .route(paths::MACHINE_CONSOLE_BREAK, post(console::send_break))
        .route(paths::MACHINE_CONSOLE_STATUS, get(console::status))
}

/// The routes of machines and instances; they are among the operators'.
fn wishes() -> Router<Arc<Service>> {
    Router::new()
        .route(paths::MACHINES, get(machines::list).post(machines::create))
        .route(paths::MACHINE, get(machines::show).patch(machines::update).delete(machines::delete))
        .route(paths::MACHINE_ACTIONS, post(machines::act))
        .route(paths::MACHINE_ADOPT, post(adopt::adopt))
        .route(paths::MACHINE_SERVICE, post(servicing::begin))
        .route(paths::MACHINE_CHOOSE, post(machines::choose))
        .route(paths::MACHINE_SCRAP, post(scrap::scrap))
        .route(paths::MACHINE_EVENTS, get(machines::events))
        .route(paths::MACHINE_TIMELINE, get(timeline::of_machine))
        .route(paths::MACHINE_WHY, get(machines::why))
        .route(paths::INSTANCES, get(instances::list).post(instances::create))
        .route(paths::INSTANCE, get(instances::show).patch(instance_update::update).delete(instances::delete))
        .route(paths::INSTANCE_EVENTS, get(instances::events))
        .route(paths::INSTANCE_ACTIONS, post(instances::act))
        .route(paths::INSTANCE_REINSTALL, post(reinstall::reinstall))
        .route(paths::INSTANCE_RESCUE, post(rescue::rescue))
        .route(paths::INSTANCE_UNRESCUE, post(rescue::unrescue))
        .route(paths::INSTANCE_TIMELINE, get(timeline::of_instance))
        .route(paths::INSTANCE_WHY, get(instances::why))
}

/// The routes of what concerns everything at once; they are among the operators'.
fn works() -> Router<Arc<Service>> {
    Router::new()
        .route(paths::WORKS, get(works::show))
        .route(paths::WORKS_FREEZE, post(works::freeze))
        .route(paths::WORKS_UNFREEZE, post(works::unfreeze))
}

/// What changes something is done to its end and told, also when the client goes away meanwhile: what is asked of a BMC
/// takes several commands, and what was written of a machine or an instance has to be looked at by the reconciler, which
/// nobody would tell any more.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => error::ApiError::internal(&error).into_response(),
    }
}

/// Every route of the API's listener. Each group names its policy: operators by token, agents by session, the rest open.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let operators = Router::new()
        .merge(wishes().merge(bmcs()).route_layer(middleware::from_fn(to_the_end)))
        .route(paths::BMC_SCANS, post(bmc_scans::scan))
        .route(paths::IMAGES, get(images::list).post(images::import).layer(DefaultBodyLimit::disable()))
        .route(paths::IMAGE, get(images::show).delete(images::delete))
        .route(paths::NETWORKS, get(networks::list))
        .route(paths::NETWORK, get(networks::show))
        .route(paths::LEASES, get(networks::leases))
        .route(paths::RESERVATIONS, get(reservations::list).post(reservations::add))
        .route(paths::RESERVATION, delete(reservations::remove))
        .route(paths::BOOT_TRACE, get(boot_trace::show))
        .route(paths::BACKUP, get(backup::show))
        .route(paths::REPLICAS, get(replicas::list))
        .route(paths::METRICS, get(metrics::show))
        .merge(works().route_layer(middleware::from_fn(to_the_end)))
        .route_layer(middleware::from_fn(readable::check))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&service), auth::operator));
    let agents = Router::new()
        .route(paths::AGENT_ORDERS, get(agent::orders))
        .route(paths::AGENT_REPORTS, post(agent::report))
        .route(paths::AGENT_MANIFEST, get(agent::manifest))
        .route(paths::AGENT_CHUNK, get(agent::chunk))
        .route(paths::AGENT_RESCUE, get(agent::rescue))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&service), auth::session));
    // The claim proves itself by the token in its body.
    let open = Router::new()
        .route(paths::AGENT_CLAIM, post(agent::claim))
        .route(paths::HEALTH, get(health::show))
        .route(paths::OPENAPI, get(openapi::show));
    operators
        .merge(agents)
        .merge(open)
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::map_request(async |request| linger(request)))
        .with_state(service)
}
