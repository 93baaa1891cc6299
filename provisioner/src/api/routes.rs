//! Every route of the API's listener: its method and path, who may use it, and what it does. The router is made of this
//! table and of nothing else, so that none can be added without a policy; `docs/routes.md` is printed from it.

use super::{
    addresses, adopt, agent, audit,
    auth::{self, Ends, Guard},
    backup, bmc, bmc_scans, boot_trace, console, erasures, error, health, images, instance_update, instances,
    key, linger, login, machines, metrics, networks, openapi, overview, password,
    policy::{Of, Policy, Who},
    pools, rate, readable, ready, reinstall, replicas, rescue, reservations, scrap, servicing, support,
    timeline, tokens, users, watch, works,
};
use crate::{service::Service, telemetry};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    middleware,
    routing::{self, MethodFilter, MethodRouter},
};
use provisioner_api::{Role, paths};
use std::sync::Arc;

/// The largest body of a request, image uploads aside.
const BODY: usize = 1024 * 1024;

/// Who looks.
const READERS: &[Role] = &[Role::Viewer, Role::Tenant, Role::Operator, Role::Admin];
/// Who looks at what isn't a tenant's: the hardware's own.
const WATCHERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin];
/// Who asks for instances.
const USERS: &[Role] = &[Role::Tenant, Role::Operator, Role::Admin];
/// Who works on the site's machines, images and networks.
const OPERATORS: &[Role] = &[Role::Operator, Role::Admin];
/// Who says who may what.
const ADMINS: &[Role] = &[Role::Admin];

/// A route.
struct Route {
    method: Method,
    path: &'static str,
    policy: Policy,
    ends: Ends,
    told: bool,
    upload: bool,
    download: bool,
    handler: MethodRouter<Arc<Service>>,
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, policy: Policy, handler: H) -> Self
    where
        H: Handler<T, Arc<Service>>,
        T: 'static,
    {
        // Of each method that the table uses there is a filter; a test makes the whole table.
        let filter = MethodFilter::try_from(method.clone()).expect("a method that axum knows");
        let handler = routing::on(filter, handler);
        Self { method, path, policy, ends: Ends::Done, told: false, upload: false, download: false, handler }
    }

    /// It goes on until the client ends it.
    fn followed(self) -> Self {
        Self { ends: Ends::Never, ..self }
    }

    /// It is given up when the client goes away.
    fn given_up(self) -> Self {
        Self { ends: Ends::WithClient, ..self }
    }

    /// Who asks for it is taken down, though it changes nothing: it gives everything away.
    fn told(self) -> Self {
        Self { told: true, ..self }
    }

    /// Its body is a file of any size.
    fn upload(self) -> Self {
        Self { handler: self.handler.layer(DefaultBodyLimit::disable()), upload: true, ..self }
    }

    /// Its answer is a file of any size.
    fn download(self) -> Self {
        Self { download: true, ..self }
    }

    /// What serves it: nothing of it runs before its policy was held against the request.
    fn guarded(self, service: &Arc<Service>) -> MethodRouter<Arc<Service>> {
        let Self { method, path, policy, ends, told, upload, download, handler } = self;
        let told = told || !method.is_safe();
        let guard =
            Guard { service: Arc::clone(service), path, policy, ends, told, body: BODY, upload, download };
        // Who may not ask is not told either whether it could be understood.
        let handler = match policy.who {
            Who::Roles(_) => handler.route_layer(middleware::from_fn(readable::check)),
            Who::Anybody | Who::Agent => handler,
        };
        handler.route_layer(middleware::from_fn_with_state(guard, auth::guard))
    }
}

/// Routes by roles: `method path, who of what, handler`.
macro_rules! routes {
    ($($method:ident $path:ident, $who:ident of $of:ident, $handler:path $(; $how:ident)*),* $(,)?) => {
        vec![$(
            Route::new(Method::$method, paths::$path, Policy::roles($who, Of::$of), $handler)$(.$how())*
        ),*]
    };
}

/// Machines.
fn machines() -> Vec<Route> {
    routes![
        GET MACHINES, READERS of Own, machines::list,
        POST MACHINES, OPERATORS of Own, machines::create,
        GET MACHINE, READERS of Machine, machines::show,
        PATCH MACHINE, OPERATORS of Machine, machines::update,
        DELETE MACHINE, OPERATORS of Machine, machines::delete,
        POST MACHINE_ACTIONS, OPERATORS of Machine, machines::act,
        POST MACHINE_ADOPT, OPERATORS of Machine, adopt::adopt,
        POST MACHINE_SERVICE, OPERATORS of Machine, servicing::begin,
        POST MACHINE_CHOOSE, OPERATORS of Machine, machines::choose,
        POST MACHINE_SCRAP, OPERATORS of Machine, scrap::scrap,
        GET MACHINE_EVENTS, WATCHERS of Machine, machines::events,
        GET MACHINE_TIMELINE, WATCHERS of Machine, timeline::of_machine,
        GET MACHINE_WHY, WATCHERS of Machine, machines::why,
        GET BOOT_TRACE, WATCHERS of MachineOrMac, boot_trace::show,
        GET MACHINE_CONSOLE, WATCHERS of Machine, console::read; followed,
        POST MACHINE_CONSOLE, OPERATORS of Machine, console::write,
        POST MACHINE_CONSOLE_BREAK, OPERATORS of Machine, console::send_break,
        GET MACHINE_CONSOLE_STATUS, WATCHERS of Machine, console::status,
    ]
}

/// The machines' BMCs, read. What tells of logins, or asks a BMC for all that it has, is the operators'.
fn bmcs_read() -> Vec<Route> {
    routes![
        GET MACHINE_BMC, WATCHERS of Machine, bmc::show,
        GET MACHINE_BMC_POWER, WATCHERS of Machine, bmc::power,
        GET MACHINE_BMC_BOOT, WATCHERS of Machine, bmc::boot,
        GET MACHINE_BMC_SENSORS, WATCHERS of Machine, bmc::sensors,
        GET MACHINE_BMC_SEL, WATCHERS of Machine, bmc::sel,
        GET MACHINE_BMC_FRU, WATCHERS of Machine, bmc::fru,
        GET MACHINE_BMC_USERS, OPERATORS of Machine, bmc::users,
        GET MACHINE_BMC_MEDIA, WATCHERS of Machine, bmc::media,
        GET MACHINE_BMC_SECURE_BOOT, WATCHERS of Machine, bmc::secure_boot,
        GET MACHINE_BMC_BIOS, WATCHERS of Machine, bmc::bios,
        GET MACHINE_BMC_BOOT_ORDER, WATCHERS of Machine, bmc::boot_order,
        GET MACHINE_BMC_FIRMWARE, WATCHERS of Machine, bmc::firmware,
        GET MACHINE_BMC_TASKS, WATCHERS of Machine, bmc::tasks,
        GET MACHINE_BMC_TASK, WATCHERS of Machine, bmc::task,
        GET MACHINE_BMC_HARDWARE, WATCHERS of Machine, bmc::hardware,
        GET MACHINE_BMC_LOGS, WATCHERS of Machine, bmc::logs,
        GET MACHINE_BMC_LOG, WATCHERS of Machine, bmc::log,
        GET MACHINE_BMC_REPORTS, WATCHERS of Machine, bmc::reports; followed,
        GET MACHINE_BMC_SUBSCRIPTIONS, OPERATORS of Machine, bmc::subscriptions,
        GET MACHINE_BMC_RECORD, OPERATORS of Machine, bmc::record,
    ]
}

/// The machines' BMCs, set.
fn bmcs_set() -> Vec<Route> {
    routes![
        PATCH MACHINE_BMC, OPERATORS of Machine, bmc::update,
        POST MACHINE_BMC_POWER, OPERATORS of Machine, bmc::press,
        PUT MACHINE_BMC_BOOT, OPERATORS of Machine, bmc::set_boot,
        DELETE MACHINE_BMC_SEL, OPERATORS of Machine, bmc::clear_sel,
        PATCH MACHINE_BMC_SEL, OPERATORS of Machine, bmc::set_sel_clock,
        POST MACHINE_BMC_IDENTIFY, OPERATORS of Machine, bmc::identify,
        POST MACHINE_BMC_USERS, OPERATORS of Machine, bmc::add_user,
        PATCH MACHINE_BMC_USER, OPERATORS of Machine, bmc::update_user,
        DELETE MACHINE_BMC_USER, OPERATORS of Machine, bmc::remove_user,
        POST MACHINE_BMC_ROTATE_PASSWORD, OPERATORS of Machine, bmc::rotate_password,
        POST MACHINE_BMC_MEDIA, OPERATORS of Machine, bmc::insert_media,
        DELETE MACHINE_BMC_MEDIA, OPERATORS of Machine, bmc::eject_all,
        DELETE MACHINE_BMC_MEDIA_SLOT, OPERATORS of Machine, bmc::eject_media,
        PATCH MACHINE_BMC_SECURE_BOOT, OPERATORS of Machine, bmc::set_secure_boot,
        POST MACHINE_BMC_SECURE_BOOT_KEYS, OPERATORS of Machine, bmc::reset_keys,
        PATCH MACHINE_BMC_BIOS, OPERATORS of Machine, bmc::set_bios,
        POST MACHINE_BMC_BIOS_RESET, OPERATORS of Machine, bmc::reset_bios,
        PUT MACHINE_BMC_BOOT_ORDER, OPERATORS of Machine, bmc::set_boot_order,
        POST MACHINE_BMC_FIRMWARE, OPERATORS of Machine, bmc::start_update,
        DELETE MACHINE_BMC_TASK, OPERATORS of Machine, bmc::forget_task,
        DELETE MACHINE_BMC_LOG, OPERATORS of Machine, bmc::clear_log,
        POST MACHINE_BMC_SUBSCRIPTIONS, OPERATORS of Machine, bmc::subscribe,
        DELETE MACHINE_BMC_SUBSCRIPTION, OPERATORS of Machine, bmc::unsubscribe,
        POST MACHINE_BMC_RESTART, OPERATORS of Machine, bmc::restart,
        POST MACHINE_BMC_AUDIT, OPERATORS of Machine, bmc::audit,
        POST MACHINE_BMC_CONFIRM, OPERATORS of Machine, bmc::confirm,
        POST BMC_SCANS, OPERATORS of Everything, bmc_scans::scan; given_up,
    ]
}

/// Instances.
fn instances() -> Vec<Route> {
    routes![
        GET INSTANCES, READERS of Own, instances::list,
        POST INSTANCES, USERS of Own, instances::create,
        GET INSTANCE, READERS of Instance, instances::show,
        PATCH INSTANCE, USERS of Instance, instance_update::update,
        DELETE INSTANCE, USERS of Instance, instances::delete,
        GET INSTANCE_EVENTS, READERS of Instance, instances::events,
        POST INSTANCE_ACTIONS, USERS of Instance, instances::act,
        POST INSTANCE_REINSTALL, USERS of Instance, reinstall::reinstall,
        POST INSTANCE_RESCUE, USERS of Instance, rescue::rescue,
        POST INSTANCE_UNRESCUE, USERS of Instance, rescue::unrescue,
        GET INSTANCE_TIMELINE, READERS of Instance, timeline::of_instance,
        GET INSTANCE_WHY, READERS of Instance, instances::why,
    ]
}

/// The whole fleet, as far as it is the caller's.
fn fleet() -> Vec<Route> {
    routes![
        GET JOBS, WATCHERS of Own, overview::jobs,
        GET JOB, WATCHERS of Own, overview::job,
        GET EVENTS, WATCHERS of Own, overview::events,
        GET POOLS, READERS of Own, pools::list,
        POST POOLS, ADMINS of Everything, pools::create,
        GET POOL, READERS of Own, pools::show,
        PATCH POOL, ADMINS of Everything, pools::update,
        DELETE POOL, ADMINS of Everything, pools::delete,
        GET ZONES, READERS of Own, overview::zones,
        GET ERASURES, READERS of Own, erasures::list,
        GET ERASURE_KEYS, READERS of Shared, erasures::keys,
        GET ERASURE, READERS of Own, erasures::show,
        GET ERASURE_CERTIFICATE, READERS of Own, erasures::certificate,
    ]
}

/// What is the site's, of no pool.
fn site() -> Vec<Route> {
    routes![
        GET WATCH, READERS of Own, watch::watch; followed,
        GET IMAGES, READERS of Shared, images::list,
        POST IMAGES, OPERATORS of Everything, images::import; upload,
        GET IMAGE, READERS of Shared, images::show,
        DELETE IMAGE, OPERATORS of Everything, images::delete,
        GET NETWORKS, READERS of Shared, networks::list,
        GET NETWORK, READERS of Shared, networks::show,
        GET LEASES, WATCHERS of Everything, networks::leases,
        GET RESERVATIONS, WATCHERS of Everything, reservations::list,
        POST RESERVATIONS, OPERATORS of Everything, reservations::add,
        DELETE RESERVATION, OPERATORS of Everything, reservations::remove,
        GET ADDRESSES, WATCHERS of Everything, addresses::list,
        POST ADDRESSES, OPERATORS of Everything, addresses::claim,
        GET ADDRESS, WATCHERS of Everything, addresses::show,
        DELETE ADDRESS, OPERATORS of Everything, addresses::release,
        GET METRICS, WATCHERS of Everything, metrics::show,
        GET WORKS, READERS of Shared, works::show,
        POST WORKS_FREEZE, ADMINS of Everything, works::freeze,
        POST WORKS_UNFREEZE, ADMINS of Everything, works::unfreeze,
        GET BACKUP, ADMINS of Everything, backup::show; told; download,
        GET SUPPORT, ADMINS of Everything, support::show; told; download,
        GET KEY, ADMINS of Everything, key::show,
        POST KEY_ROTATE, ADMINS of Everything, key::rotate,
        POST KEY_RETIRE, ADMINS of Everything, key::retire,
        GET REPLICAS, ADMINS of Everything, replicas::list,
        GET AUDIT, ADMINS of Everything, audit::list,
        GET TOKENS, ADMINS of Everything, tokens::list,
        POST TOKENS, ADMINS of Everything, tokens::create,
        DELETE TOKEN, ADMINS of Everything, tokens::revoke,
        GET USERS, ADMINS of Everything, users::list,
        POST USERS, ADMINS of Everything, users::create,
        GET USER, ADMINS of Everything, users::show,
        PATCH USER, ADMINS of Everything, users::update,
        DELETE USER, ADMINS of Everything, users::delete,
        GET WHOAMI, READERS of Shared, login::whoami,
        POST PASSWORD, READERS of Shared, password::change,
        POST LOGOUT, READERS of Shared, login::logout,
    ]
}

/// Those without an API token.
fn others() -> Vec<Route> {
    vec![
        Route::new(Method::GET, paths::AGENT_ORDERS, Policy::AGENT, agent::orders),
        Route::new(Method::POST, paths::AGENT_REPORTS, Policy::AGENT, agent::report),
        Route::new(Method::GET, paths::AGENT_MANIFEST, Policy::AGENT, agent::manifest),
        Route::new(Method::GET, paths::AGENT_CHUNK, Policy::AGENT, agent::chunk),
        Route::new(Method::GET, paths::AGENT_RESCUE, Policy::AGENT, agent::rescue),
        // The claim proves itself by the token in its body.
        Route::new(Method::POST, paths::AGENT_CLAIM, Policy::OPEN, agent::claim),
        // A log-in proves itself by the password in its body.
        Route::new(Method::POST, paths::LOGIN, Policy::OPEN, login::login),
        Route::new(Method::GET, paths::HEALTH, Policy::OPEN, health::show),
        Route::new(Method::GET, paths::READY, Policy::OPEN, ready::show),
        Route::new(Method::GET, paths::OPENAPI, Policy::OPEN, openapi::show),
    ]
}

/// All of them.
fn table() -> Vec<Route> {
    [machines(), bmcs_read(), bmcs_set(), instances(), fleet(), site(), others()]
        .into_iter()
        .flatten()
        .collect()
}

/// What answers on the API's listener.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let add = |router: Router<Arc<Service>>, route: Route| {
        let path = route.path;
        router.route(path, route.guarded(&service))
    };
    let strangers = middleware::from_fn_with_state(Arc::clone(&service), rate::strangers);
    let router = table()
        .into_iter()
        .fold(Router::new(), add)
        .fallback(error::no_route.layer(strangers.clone()))
        .method_not_allowed_fallback(error::no_method.layer(strangers))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::map_request(async |request| linger::linger(request)));
    let router = match service.telemetry.is_on() {
        true => router.layer(middleware::from_fn_with_state(Arc::clone(&service), telemetry::traced)),
        false => router,
    };
    router.with_state(service)
}

#[cfg(test)]
mod tests;
