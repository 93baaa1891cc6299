//! The REST API for people and programs: one method for each path and verb.
//!
//! No retries and no waiting here: the caller knows whether a repeat is harmless and how patient it is. But for what the
//! service refused as coming too often, of which nothing was begun: that is sent again when it said (`answer`).

use crate::{ClientError, answer, tls, url};
use jiff::Timestamp;
use provisioner_api::{
    Address, AddressList, BootTrace, Choice, ChooseRequest, DeleteInstance, Event, EventId, EventList, Image,
    ImageList, Instance, InstanceAction, InstanceActionRequest, InstanceCreate, InstanceId, InstanceList,
    InstanceReinstall, InstanceRescue, InstanceState, InstanceUpdate, Lease, LeaseList, Machine,
    MachineAction, MachineActionRequest, MachineAdopt, MachineCreate, MachineId, MachineList, MachineScrap,
    MachineService, MachineState, MachineUpdate, Network, NetworkList, Replica, ReplicaList, Reservation,
    ReservationList, Secret, Timeline, TimelineEntry, Why, etag, paths,
};
use reqwest::{Method, RequestBuilder, Url, header};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The most that we take of metrics, in bytes.
const METRICS_LIMIT: usize = 64 * 1024 * 1024;

/// Where the service is and how to log in.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its address: `https://billet.example.org:7443`.
    pub url: String,
    /// The bearer token.
    pub token: Secret,
    /// The certificate of its CA, PEM: the only one that is trusted.
    pub ca_pem: String,
}

/// Which machines to list.
#[derive(Debug, Clone, Default)]
pub struct MachineFilter {
    /// Only those in this state.
    pub state: Option<MachineState>,
    /// Only those of this pool.
    pub pool: Option<String>,
    /// Only those whose work waits for a person, or only those whose work does not.
    pub held: Option<bool>,
    /// Only those with such labels, as `kubectl -l` takes it.
    pub labels: Option<String>,
}

impl MachineFilter {
    fn query(&self) -> Result<Vec<(&'static str, String)>, ClientError> {
        let mut query = Vec::new();
        query.extend(self.state.map(word).transpose()?.map(|state| ("state", state)));
        query.extend(self.pool.clone().map(|pool| ("pool", pool)));
        query.extend(self.held.map(|held| ("held", held.to_string())));
        query.extend(self.labels.clone().map(|labels| ("labels", labels)));
        Ok(query)
    }
}

/// Which instances to list.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Only those in this state.
    pub state: Option<InstanceState>,
}

impl InstanceFilter {
    fn query(&self) -> Result<Vec<(&'static str, String)>, ClientError> {
        Ok(self.state.map(word).transpose()?.map(|state| ("state", state)).into_iter().collect())
    }
}

/// Which part of a timeline.
#[derive(Debug, Clone, Default)]
pub struct TimelineFilter {
    /// Only what happened then or later.
    pub since: Option<Timestamp>,
    /// Only what happened before then.
    pub until: Option<Timestamp>,
    /// Only these kinds; none: all.
    pub kinds: Vec<String>,
    /// Only the last so many of that, up to [`provisioner_api::PAGE_MOST`].
    pub newest: Option<u32>,
}

impl TimelineFilter {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        query.extend(self.since.map(|since| ("since", since.to_string())));
        query.extend(self.until.map(|until| ("until", until.to_string())));
        query.extend((!self.kinds.is_empty()).then(|| ("kinds", self.kinds.join(","))));
        query.extend(self.newest.map(|newest| ("newest", newest.to_string())));
        query
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The `next` of the page before; none: the first page.
    pub after: Option<String>,
    /// How many objects at most, up to [`provisioner_api::PAGE_MOST`]; none: [`provisioner_api::PAGE`].
    pub limit: Option<u32>,
}

/// How many objects a list is asked for at a time: an answer takes the service some milliseconds.
const PAGE: u32 = 250;

/// A page as it comes.
pub(crate) trait Listed: DeserializeOwned {
    type Item;
    fn parts(self) -> (Vec<Self::Item>, Option<String>);
}

/// Tells of a list what is in it.
macro_rules! listed {
    ($($list:ty: $item:ty),*) => {$(
        impl Listed for $list {
            type Item = $item;
            fn parts(self) -> (Vec<$item>, Option<String>) {
                (self.items, self.next)
            }
        }
    )*};
}

listed!(
    AddressList: Address, MachineList: Machine, InstanceList: Instance, EventList: Event, LeaseList: Lease, ReservationList: Reservation,
    Timeline: TimelineEntry
);

/// A client of the REST API. Cheap to clone; connections are shared.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    base: Url,
    authorization: header::HeaderValue,
}

impl Client {
    /// Makes a client. Does no I/O.
    ///
    /// # Errors
    /// When address, token or CA certificate can't be used.
    pub fn new(connection: &Connection) -> Result<Self, ClientError> {
        let mut authorization =
            header::HeaderValue::from_str(&format!("Bearer {}", connection.token.reveal()))
                .map_err(|_| ClientError::BadToken)?;
        authorization.set_sensitive(true);
        Ok(Self {
            http: tls::http_client(connection.ca_pem.as_bytes(), CALL_TIMEOUT)?,
            base: url::base(&connection.url)?,
            authorization,
        })
    }

    /// A request with the token.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
    ) -> Result<RequestBuilder, ClientError> {
        self.request_with(method, path, names, &[])
    }

    /// A request with the token and a query.
    pub(crate) fn request_with(
        &self,
        method: Method,
        path: &str,
        names: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, ClientError> {
        let mut url = url::call(&self.base, path, names)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.http.request(method, url).header(header::AUTHORIZATION, self.authorization.clone()))
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        names: &[&str],
    ) -> Result<T, ClientError> {
        answer::json(self.request(Method::GET, path, names)?).await
    }

    async fn delete(&self, path: &str, name: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, path, &[name])?).await.map(drop)
    }

    /// A page of a list.
    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        names: &[&str],
        filter: &[(&'static str, String)],
        page: &Page,
    ) -> Result<T, ClientError> {
        let limit = page.limit.map(|limit| limit.to_string());
        let mut query: Vec<_> = filter.iter().map(|(name, value)| (*name, value.as_str())).collect();
        query.extend(limit.as_deref().map(|limit| ("limit", limit)));
        query.extend(page.after.as_deref().map(|after| ("after", after)));
        answer::json(self.request_with(Method::GET, path, names, &query)?).await
    }

    /// A list to its end, page by page, from behind `after` on.
    pub(crate) async fn all<L: Listed>(
        &self,
        path: &str,
        names: &[&str],
        filter: &[(&'static str, String)],
        after: Option<String>,
    ) -> Result<Vec<L::Item>, ClientError> {
        let mut all = Vec::new();
        let mut page = Page { after, limit: Some(PAGE) };
        loop {
            let (items, next) = self.page::<L>(path, names, filter, &page).await?.parts();
            // A list that leads back to where it was, or on without bringing anything, would have no end.
            let on = next.is_some() && next != page.after && !items.is_empty();
            all.extend(items);
            if !on {
                return Ok(all);
            }
            page.after = next;
        }
    }

    async fn newest_events(&self, path: &str, name: &str, number: u32) -> Result<Vec<Event>, ClientError> {
        let newest = number.to_string();
        let request = self.request_with(Method::GET, path, &[name], &[("newest", &newest)])?;
        Ok(answer::json::<EventList>(request).await?.items)
    }

    /// Whether the service is there and says that it is well. Needs no valid token.
    ///
    /// # Errors
    /// When it can't be reached or is not well.
    pub async fn health(&self) -> Result<(), ClientError> {
        answer::send(self.request(Method::GET, paths::HEALTH, &[])?).await.map(drop)
    }

    /// The machines, by name: all of them, page by page.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn machines(&self, filter: &MachineFilter) -> Result<Vec<Machine>, ClientError> {
        self.all::<MachineList>(paths::MACHINES, &[], &filter.query()?, None).await
    }

    /// A page of the machines, by name.
    pub async fn machines_page(
        &self,
        filter: &MachineFilter,
        page: &Page,
    ) -> Result<MachineList, ClientError> {
        self.page(paths::MACHINES, &[], &filter.query()?, page).await
    }

    /// A machine by name or id.
    pub async fn machine(&self, name: &str) -> Result<Machine, ClientError> {
        self.get(paths::MACHINE, &[name]).await
    }

    /// Adds a machine; it is accepted at birth.
    pub async fn add_machine(&self, machine: &MachineCreate) -> Result<Machine, ClientError> {
        answer::json(self.request(Method::POST, paths::MACHINES, &[])?.json(machine)).await
    }

    /// Changes a machine, if it still has this version. Another one that was made under its name meanwhile may have it, too:
    /// [`Self::update_seen_machine`] changes none but the one that was seen.
    pub async fn update_machine(
        &self,
        name: &str,
        version: u64,
        update: &MachineUpdate,
    ) -> Result<Machine, ClientError> {
        self.update_matching_machine(name, format!("\"{version}\""), update).await
    }

    /// Changes a machine, if it is still the one with this id, in this version.
    pub async fn update_seen_machine(
        &self,
        name: &str,
        (id, version): (MachineId, u64),
        update: &MachineUpdate,
    ) -> Result<Machine, ClientError> {
        self.update_matching_machine(name, etag(id.0, version), update).await
    }

    async fn update_matching_machine(
        &self,
        name: &str,
        wanted: String,
        update: &MachineUpdate,
    ) -> Result<Machine, ClientError> {
        let request = self.request(Method::PATCH, paths::MACHINE, &[name])?;
        answer::json(request.header(header::IF_MATCH, wanted).json(update)).await
    }

    /// Forgets a machine.
    pub async fn delete_machine(&self, name: &str) -> Result<(), ClientError> {
        self.delete(paths::MACHINE, name).await
    }

    /// Forgets a machine whose hardware is dead, and the instance that was giving it back.
    pub async fn scrap_machine(&self, name: &str, scrap: &MachineScrap) -> Result<(), ClientError> {
        let request = self.request(Method::POST, paths::MACHINE_SCRAP, &[name])?;
        answer::send(request.json(scrap)).await.map(drop)
    }

    /// Asks something of a machine. It is noted when this returns; what comes of it is seen in the machine.
    pub async fn machine_action(&self, name: &str, action: MachineAction) -> Result<(), ClientError> {
        let request = self.request(Method::POST, paths::MACHINE_ACTIONS, &[name])?;
        answer::send(request.json(&MachineActionRequest { action })).await.map(drop)
    }

    /// Asks for planned work on a machine, after which it is again what it was. It is noted when this returns.
    pub async fn service_machine(
        &self,
        name: &str,
        service: &MachineService,
    ) -> Result<Machine, ClientError> {
        let request = self.request(Method::POST, paths::MACHINE_SERVICE, &[name])?;
        answer::json(request.json(service)).await
    }

    /// Answers a hold of a machine, by its number. It is noted when this returns.
    pub async fn choose(&self, name: &str, hold: u64, choice: Choice) -> Result<(), ClientError> {
        self.answer_hold(name, &ChooseRequest { hold, choice, disk: None }).await
    }

    /// Leaves a disk out of a wiping that is held, by its serial number; the machine is retired with that.
    pub async fn skip_disk(&self, name: &str, hold: u64, disk: &str) -> Result<(), ClientError> {
        let chosen = ChooseRequest { hold, choice: Choice::SkipDisk, disk: Some(disk.to_owned()) };
        self.answer_hold(name, &chosen).await
    }

    /// Lets a disk get the system of a deployment that is held, by its serial number.
    pub async fn use_disk(&self, name: &str, hold: u64, disk: &str) -> Result<(), ClientError> {
        let chosen = ChooseRequest { hold, choice: Choice::UseDisk, disk: Some(disk.to_owned()) };
        self.answer_hold(name, &chosen).await
    }

    async fn answer_hold(&self, name: &str, chosen: &ChooseRequest) -> Result<(), ClientError> {
        let request = self.request(Method::POST, paths::MACHINE_CHOOSE, &[name])?;
        answer::send(request.json(chosen)).await.map(drop)
    }

    /// A machine's timeline, oldest first; only what is newer than `after`.
    pub async fn machine_events(
        &self,
        name: &str,
        after: Option<EventId>,
    ) -> Result<Vec<Event>, ClientError> {
        let after = after.map(|id| id.to_string());
        self.all::<EventList>(paths::MACHINE_EVENTS, &[name], &[], after).await
    }

    /// The newest events of a machine, oldest first: at most so many, up to [`provisioner_api::PAGE_MOST`].
    pub async fn machine_newest_events(&self, name: &str, number: u32) -> Result<Vec<Event>, ClientError> {
        self.newest_events(paths::MACHINE_EVENTS, name, number).await
    }

    /// All that is known of a machine, oldest first.
    pub async fn machine_timeline(
        &self,
        name: &str,
        filter: &TimelineFilter,
    ) -> Result<Vec<TimelineEntry>, ClientError> {
        self.timeline(paths::MACHINE_TIMELINE, name, filter).await
    }

    /// All that is known of an instance and its machine, oldest first.
    pub async fn instance_timeline(
        &self,
        name: &str,
        filter: &TimelineFilter,
    ) -> Result<Vec<TimelineEntry>, ClientError> {
        self.timeline(paths::INSTANCE_TIMELINE, name, filter).await
    }

    async fn timeline(
        &self,
        path: &str,
        name: &str,
        filter: &TimelineFilter,
    ) -> Result<Vec<TimelineEntry>, ClientError> {
        let query = filter.query();
        if filter.newest.is_none() {
            return self.all::<Timeline>(path, &[name], &query, None).await;
        }
        // What is counted from the end is one page.
        let query: Vec<_> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Ok(answer::json::<Timeline>(self.request_with(Method::GET, path, &[name], &query)?).await?.items)
    }

    /// What a machine waits for.
    pub async fn machine_why(&self, name: &str) -> Result<Why, ClientError> {
        self.get(paths::MACHINE_WHY, &[name]).await
    }

    /// Asks something of an instance. It is noted when this returns; what comes of it is seen in the instance.
    pub async fn instance_action(&self, name: &str, action: InstanceAction) -> Result<(), ClientError> {
        let request = self.request(Method::POST, paths::INSTANCE_ACTIONS, &[name])?;
        answer::send(request.json(&InstanceActionRequest { action })).await.map(drop)
    }

    /// Makes an instance of what runs on a machine already.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn adopt_machine(&self, name: &str, adopt: &MachineAdopt) -> Result<Instance, ClientError> {
        let request = self.request(Method::POST, paths::MACHINE_ADOPT, &[name])?;
        answer::json(request.json(adopt)).await
    }

    /// Asks for an instance to be installed anew on its machine.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn reinstall_instance(
        &self,
        name: &str,
        reinstall: &InstanceReinstall,
    ) -> Result<Instance, ClientError> {
        let request = self.request(Method::POST, paths::INSTANCE_REINSTALL, &[name])?;
        answer::json(request.json(reinstall)).await
    }

    /// Asks for an instance's machine to run the rescue system.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn rescue_instance(
        &self,
        name: &str,
        rescue: &InstanceRescue,
    ) -> Result<Instance, ClientError> {
        let request = self.request(Method::POST, paths::INSTANCE_RESCUE, &[name])?;
        answer::json(request.json(rescue)).await
    }

    /// Asks for an instance's own system to boot again.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn unrescue_instance(&self, name: &str) -> Result<Instance, ClientError> {
        answer::json(self.request(Method::POST, paths::INSTANCE_UNRESCUE, &[name])?).await
    }

    /// The instances, by name: all of them, page by page.
    pub async fn instances(&self) -> Result<Vec<Instance>, ClientError> {
        self.instances_of(&InstanceFilter::default()).await
    }

    /// Some of the instances, by name: all that fit, page by page.
    pub async fn instances_of(&self, filter: &InstanceFilter) -> Result<Vec<Instance>, ClientError> {
        self.all::<InstanceList>(paths::INSTANCES, &[], &filter.query()?, None).await
    }

    /// A page of the instances, by name.
    pub async fn instances_page(
        &self,
        filter: &InstanceFilter,
        page: &Page,
    ) -> Result<InstanceList, ClientError> {
        self.page(paths::INSTANCES, &[], &filter.query()?, page).await
    }

    /// An instance by name or id.
    pub async fn instance(&self, name: &str) -> Result<Instance, ClientError> {
        self.get(paths::INSTANCE, &[name]).await
    }

    /// Asks for an instance.
    pub async fn create_instance(&self, instance: &InstanceCreate) -> Result<Instance, ClientError> {
        answer::json(self.request(Method::POST, paths::INSTANCES, &[])?.json(instance)).await
    }

    /// Changes an instance; only what is given.
    pub async fn update_instance(
        &self,
        name: &str,
        update: &InstanceUpdate,
    ) -> Result<Instance, ClientError> {
        answer::json(self.request(Method::PATCH, paths::INSTANCE, &[name])?.json(update)).await
    }

    /// Changes an instance, if it is still the one with this id, in this version.
    pub async fn update_seen_instance(
        &self,
        name: &str,
        (id, version): (InstanceId, u64),
        update: &InstanceUpdate,
    ) -> Result<Instance, ClientError> {
        let request = self.request(Method::PATCH, paths::INSTANCE, &[name])?;
        answer::json(request.header(header::IF_MATCH, etag(id.0, version)).json(update)).await
    }

    /// Gives an instance back. It is gone when its machine is wiped.
    pub async fn delete_instance(&self, name: &str, delete: &DeleteInstance) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, paths::INSTANCE, &[name])?;
        answer::send(request.json(delete)).await.map(drop)
    }

    /// An instance's timeline, oldest first; only what is newer than `after`.
    pub async fn instance_events(
        &self,
        name: &str,
        after: Option<EventId>,
    ) -> Result<Vec<Event>, ClientError> {
        let after = after.map(|id| id.to_string());
        self.all::<EventList>(paths::INSTANCE_EVENTS, &[name], &[], after).await
    }

    /// The newest events of an instance, oldest first: at most so many, up to [`provisioner_api::PAGE_MOST`].
    pub async fn instance_newest_events(&self, name: &str, number: u32) -> Result<Vec<Event>, ClientError> {
        self.newest_events(paths::INSTANCE_EVENTS, name, number).await
    }

    /// What an instance waits for.
    pub async fn instance_why(&self, name: &str) -> Result<Why, ClientError> {
        self.get(paths::INSTANCE_WHY, &[name]).await
    }

    /// The images, by name.
    pub async fn images(&self) -> Result<Vec<Image>, ClientError> {
        Ok(self.get::<ImageList>(paths::IMAGES, &[]).await?.items)
    }

    /// An image by name or id.
    pub async fn image(&self, name: &str) -> Result<Image, ClientError> {
        self.get(paths::IMAGE, &[name]).await
    }

    /// Deletes an image.
    pub async fn delete_image(&self, name: &str) -> Result<(), ClientError> {
        self.delete(paths::IMAGE, name).await
    }

    /// The networks, by name.
    pub async fn networks(&self) -> Result<Vec<Network>, ClientError> {
        Ok(self.get::<NetworkList>(paths::NETWORKS, &[]).await?.items)
    }

    /// The replicas of the service, by id.
    pub async fn replicas(&self) -> Result<Vec<Replica>, ClientError> {
        Ok(self.get::<ReplicaList>(paths::REPLICAS, &[]).await?.items)
    }

    /// A network by name.
    pub async fn network(&self, name: &str) -> Result<Network, ClientError> {
        self.get(paths::NETWORK, &[name]).await
    }

    /// A network's leases, by address.
    pub async fn leases(&self, network: &str) -> Result<Vec<Lease>, ClientError> {
        self.all::<LeaseList>(paths::LEASES, &[network], &[], None).await
    }

    /// A network's reservations, by address.
    pub async fn reservations(&self, network: &str) -> Result<Vec<Reservation>, ClientError> {
        self.all::<ReservationList>(paths::RESERVATIONS, &[network], &[], None).await
    }

    /// Reserves an address; the same again changes nothing.
    pub async fn add_reservation(
        &self,
        network: &str,
        reservation: &Reservation,
    ) -> Result<Reservation, ClientError> {
        answer::json(self.request(Method::POST, paths::RESERVATIONS, &[network])?.json(reservation)).await
    }

    /// Takes the reservation of a MAC address away.
    pub async fn delete_reservation(&self, network: &str, mac: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, paths::RESERVATION, &[network, mac])?).await.map(drop)
    }

    /// The boot conversation of a machine by name or id, or of a MAC address; of its entries only those that are
    /// newer than `after`. What it means is told of the whole.
    pub async fn boot_trace(&self, target: &str, after: Option<u64>) -> Result<BootTrace, ClientError> {
        let after = after.map(|id| id.to_string());
        let query: Vec<_> = after.iter().map(|id| ("after", id.as_str())).collect();
        answer::json(self.request_with(Method::GET, paths::BOOT_TRACE, &[target], &query)?).await
    }

    /// The metrics, in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let response = answer::send(self.request(Method::GET, paths::METRICS, &[])?).await?;
        let text = answer::bytes(response, METRICS_LIMIT).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// A unit variant as the word that it has on the wire.
pub(crate) fn word<T: Serialize>(value: T) -> Result<String, ClientError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(ClientError::BadName { name: format!("{other:?}") }),
    }
}
