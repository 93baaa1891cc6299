//! What is to be done for each object: it is looked up, and compared with what is declared. Nothing is changed here.

use super::{
    Applied, Outcome, image, instance,
    machine::{self, Wanted},
    network, pool,
};
use crate::cli::{
    command::{Session, authorities, password},
    error::CliError,
    manifest::{self, Declared, Fault, InstanceDoc, MachineDoc, Object, Place, ReservationDoc},
};
use crate::store::bmc_place;
use provisioner_api::{
    ImageSpec, InstanceCreate, InstanceId, InstanceState, InstanceUpdate, Machine, MachineCreate, MachineId,
    MachineUpdate, PoolCreate, PoolUpdate, Reservation, Secret,
};
use provisioner_client::{ClientError, MachineFilter};
use std::collections::{HashMap, HashSet};

/// What is done for an object.
pub(super) enum Step {
    /// It is as it is declared.
    Nothing,
    /// A pool is given a policy.
    CreatePool { create: PoolCreate },
    /// A pool's policy is changed, if it is still what has this `ETag`.
    ChangePool { name: String, seen: String, update: PoolUpdate },
    /// An address is reserved.
    Reserve { network: String, reservation: Reservation },
    /// An image is sent.
    Import { spec: ImageSpec, files: image::Files },
    /// A machine is added, and then told what can't be said of a new one.
    AddMachine { create: Box<MachineCreate>, then: Option<Box<MachineUpdate>> },
    /// A machine is changed, if it is still the one that was seen, in this version.
    ChangeMachine { name: String, seen: (MachineId, u64), update: Box<MachineUpdate> },
    /// An instance is asked for.
    CreateInstance { create: Box<InstanceCreate> },
    /// An instance is changed, if it is still the one that was seen, in this version.
    ChangeInstance { name: String, seen: (InstanceId, u64), update: InstanceUpdate },
}

/// An object, and what is done for it.
pub(super) struct Planned {
    pub(super) applied: Applied,
    pub(super) step: Step,
}

impl Planned {
    fn new(kind: &'static str, name: &str, outcome: Outcome, changes: Vec<String>, step: Step) -> Self {
        Self { applied: Applied { kind, name: name.to_owned(), outcome, changes }, step }
    }

    /// Something that is not there yet, with what is declared of it.
    pub(super) fn created(kind: &'static str, name: &str, fields: Vec<String>, step: Step) -> Self {
        Self::new(kind, name, Outcome::Created, fields, step)
    }

    /// Something that is otherwise, with what changes.
    pub(super) fn changed(kind: &'static str, name: &str, changes: Vec<String>, step: Step) -> Self {
        Self::new(kind, name, Outcome::Changed, changes, step)
    }

    /// Something that is as it is declared.
    pub(super) fn unchanged(kind: &'static str, name: &str) -> Self {
        Self::new(kind, name, Outcome::Unchanged, Vec::new(), Step::Nothing)
    }
}

/// What is known of the service, and what is wrong.
struct Plan<'a, 'b> {
    session: &'a mut Session<'b>,
    faults: Vec<Fault>,
    /// Names that will be there.
    images: HashSet<&'a str>,
    machines: HashSet<&'a str>,
    /// The machines that there are, if one is declared.
    there: Vec<Machine>,
    /// The reservations of networks; none: there is no such network.
    reservations: HashMap<&'a str, Option<Vec<Reservation>>>,
    /// MAC addresses that are declared to have an address on a network.
    moved: HashSet<(&'a str, &'a str)>,
}

/// What is to be done, in the order in which one thing may need another: pools, networks, reservations, images, machines,
/// instances.
///
/// # Errors
/// When the service can't be asked, a file can't be read; or all that is wrong, each with its place.
pub(super) async fn plan(session: &mut Session<'_>, declared: &[Declared]) -> Result<Vec<Planned>, CliError> {
    let mut plan = Plan {
        session,
        faults: Vec::new(),
        images: HashSet::new(),
        machines: HashSet::new(),
        there: Vec::new(),
        reservations: HashMap::new(),
        moved: HashSet::new(),
    };
    for Declared { object, .. } in declared {
        match object {
            Object::Machine(machine) => drop(plan.machines.insert(&machine.name.0)),
            Object::Image(image) => drop(plan.images.insert(&image.name.0)),
            Object::Reservation(one) => drop(plan.moved.insert((&one.network.0, &one.mac.0))),
            Object::Pool(_) | Object::Network(_) | Object::Instance(_) => {}
        }
    }
    if !plan.machines.is_empty() {
        plan.there =
            found(plan.session.client.machines(&MachineFilter::default()).await)?.unwrap_or_default();
    }
    let mut ordered: Vec<_> = declared.iter().collect();
    ordered.sort_by_key(|declared| match declared.object {
        Object::Pool(_) => 0,
        Object::Network(_) => 1,
        Object::Reservation(_) => 2,
        Object::Image(_) => 3,
        Object::Machine(_) => 4,
        Object::Instance(_) => 5,
    });
    let mut planned = Vec::new();
    for Declared { place, object } in ordered {
        planned.extend(match object {
            Object::Reservation(one) => plan.reservation(place, one).await?,
            Object::Pool(doc) => {
                plan.judged(pool::plan(plan.session, place, doc).await?.map_err(|one| vec![one]))
            }
            Object::Network(doc) => plan.judged(network::plan(plan.session, place, doc).await?),
            Object::Image(doc) => {
                plan.judged(image::plan(plan.session, place, doc).await?.map_err(|one| vec![one]))
            }
            Object::Machine(doc) => plan.machine(place, doc).await?,
            Object::Instance(doc) => plan.instance(place, doc).await?,
        });
    }
    if plan.faults.is_empty() { Ok(planned) } else { Err(manifest::refusal(&plan.faults)) }
}

/// What there is; nothing if there is none.
pub(super) fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>, CliError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl<'a> Plan<'a, '_> {
    fn fault(&mut self, place: &Place, field: &str, why: impl Into<String>) {
        self.faults.push(Fault::new(place, field, why));
    }

    /// What is to be done; what is wrong is taken down.
    fn judged(&mut self, planned: Result<Planned, Vec<Fault>>) -> Option<Planned> {
        planned.map_err(|wrong| self.faults.extend(wrong)).ok()
    }

    async fn reservation(
        &mut self,
        place: &Place,
        doc: &'a ReservationDoc,
    ) -> Result<Option<Planned>, CliError> {
        let (network, mac, address) = (doc.network.0.as_str(), &doc.mac.0, doc.address.0.to_string());
        if !self.reservations.contains_key(network) {
            let there = found(self.session.client.reservations(network).await)?;
            self.reservations.insert(network, there);
        }
        let Some(there) = self.reservations.get(network).and_then(Option::as_ref) else {
            let why =
                format!("there is no network `{network}`; `billet network list` shows which are declared");
            self.fault(place, "network", why);
            return Ok(None);
        };
        let before = there.iter().find(|one| one.mac == *mac);
        let other = there.iter().find(|one| one.address == address && one.mac != *mac);
        let name = format!("{network}/{mac}");
        if before.is_some_and(|before| before.address == address) {
            return Ok(Some(Planned::unchanged("reservation", &name)));
        }
        if let Some(other) = other {
            let mut why = format!("{address} is reserved for {} already", other.mac);
            if self.moved.contains(&(network, other.mac.as_str())) {
                why.push_str(", which these files give another one; apply that first");
            } else {
                why.push_str(&format!(
                    "; `billet network reservation remove {network} {}` frees it",
                    other.mac
                ));
            }
            self.fault(place, "address", why);
            return Ok(None);
        }
        let (outcome, changes) = match before {
            Some(before) => (Outcome::Changed, vec![format!("address {} → {address}", before.address)]),
            None => (Outcome::Created, Vec::new()),
        };
        let reservation = Reservation { mac: mac.clone(), address };
        let step = Step::Reserve { network: network.to_owned(), reservation };
        Ok(Some(Planned::new("reservation", &name, outcome, changes, step)))
    }

    async fn machine(&mut self, place: &Place, doc: &MachineDoc) -> Result<Option<Planned>, CliError> {
        let name = doc.name.0.as_str();
        let before = found(self.session.client.machine(name).await)?;
        if let Some(other) = before.as_ref().filter(|before| before.name != name) {
            self.fault(place, "name", format!("that is the id of machine `{}`; give its name", other.name));
            return Ok(None);
        }
        if let Some((field, why)) = self.taken(doc) {
            self.fault(place, field, why);
            return Ok(None);
        }
        let ca = doc.bmc_tls_ca.as_deref().map(|ca| authorities(&place.beside(ca))).transpose()?;
        let wanted = Wanted { doc, bmc: machine::with_ca(doc, ca) };
        let needs = wanted.secrets(before.as_ref());
        let password = self.password(place, doc, needs)?;
        let key = match (needs, &doc.bmc_key_file) {
            (machine::Secrets::None, _) | (_, None) => None,
            (_, Some(file)) => {
                let file = place.beside(file);
                let Session { environment, ui, .. } = &mut *self.session;
                password::given(environment, ui, password::BMC_KEY, Some(&file))?
            }
        };
        if needs == machine::Secrets::Needed && password.is_none() {
            let why = "the BMC's password is missing: name a file that holds it, or set BILLET_BMC_PASSWORD";
            self.fault(place, "bmc_password_file", why);
            return Ok(None);
        }
        let Some(before) = before else {
            return match wanted.create(password, key) {
                Ok((create, then)) => {
                    let step = Step::AddMachine { create: Box::new(create), then: then.map(Box::new) };
                    Ok(Some(Planned::new("machine", name, Outcome::Created, Vec::new(), step)))
                }
                Err((field, why)) => {
                    self.fault(place, field, why);
                    Ok(None)
                }
            };
        };
        for note in wanted.notes(&before) {
            self.session.ui.note(&note);
        }
        let (update, changes) = wanted.update(&before, password, key);
        if changes.is_empty() {
            return Ok(Some(Planned::unchanged("machine", name)));
        }
        let seen = (before.id, before.version);
        let step = Step::ChangeMachine { name: name.to_owned(), seen, update: Box::new(update) };
        Ok(Some(Planned::new("machine", name, Outcome::Changed, changes, step)))
    }

    /// What of a machine another one has already: the field, and whose it is.
    fn taken(&self, doc: &MachineDoc) -> Option<(&'static str, String)> {
        let bmc = doc.bmc.as_ref().and_then(|bmc| bmc_place(&bmc.0));
        self.there.iter().filter(|other| other.name != doc.name.0).find_map(|other| {
            let name = &other.name;
            let mac = doc.macs.iter().flatten().find(|mac| other.spec.macs.contains(&mac.0));
            if let Some(mac) = mac {
                let why = format!(
                    "machine `{name}` has {} already: accept and rename that one (`billet machine set {name} --name {}`), or forget it",
                    mac.0, doc.name.0
                );
                return Some(("macs", why));
            }
            let same = bmc.is_some() && other.spec.bmc.as_ref().and_then(bmc_place) == bmc;
            same.then(|| ("bmc", format!("it is the BMC of machine `{name}` already")))
        })
    }

    /// The password of a BMC, if it is to be sent.
    fn password(
        &mut self,
        place: &Place,
        doc: &MachineDoc,
        needs: machine::Secrets,
    ) -> Result<Option<Secret>, CliError> {
        let Session { environment, ui, .. } = &mut *self.session;
        match (needs, &doc.bmc_password_file) {
            (machine::Secrets::None, _) => Ok(None),
            (_, Some(file)) => {
                password::given(environment, ui, password::BMC_PASSWORD, Some(&place.beside(file)))
            }
            (machine::Secrets::Needed, None) if environment.bmc_password.is_some() => {
                password::required(environment, ui, None).map(Some)
            }
            (_, None) => Ok(None),
        }
    }

    async fn instance(&mut self, place: &Place, doc: &InstanceDoc) -> Result<Option<Planned>, CliError> {
        let name = doc.name.0.as_str();
        let before = found(self.session.client.instance(name).await)?;
        if let Some(why) = instance::past(doc, before.as_ref(), crate::clock::now()) {
            self.fault(place, "deadline", why);
            return Ok(None);
        }
        let mut wanted = instance::spec(place, doc)?;
        let Some(before) = before else {
            return Ok(self.references(place, doc).await?.then(|| {
                let create = Box::new(InstanceCreate { name: name.to_owned(), spec: wanted });
                Planned::new("instance", name, Outcome::Created, Vec::new(), Step::CreateInstance { create })
            }));
        };
        if before.name != name {
            self.fault(place, "name", format!("that is the id of instance `{}`; give its name", before.name));
            return Ok(None);
        }
        if before.status.state == InstanceState::Releasing {
            let why = format!(
                "instance {name} is being given back; apply again once it is gone (`billet why instance/{name}`)"
            );
            self.fault(place, "name", why);
            return Ok(None);
        }
        if doc.user_data_file.is_some() && before.spec.user_data.is_some() {
            self.session.ui.note(&format!(
                "instance {name}: its user data is not compared, because the service shows it to nobody"
            ));
        }
        // The service keeps their ids.
        for named in [&mut wanted.machine, &mut wanted.prefer_machine] {
            let Some(machine) = named.as_deref() else { continue };
            if let Some(machine) = found(self.session.client.machine(machine).await)? {
                *named = Some(machine.id.to_string());
            }
        }
        let wrong = instance::fixed(doc, &before, &wanted);
        if !wrong.is_empty() {
            wrong.into_iter().for_each(|(field, why)| self.fault(place, field, why));
            return Ok(None);
        }
        let (update, changes) = instance::update(doc, &before);
        if changes.is_empty() {
            return Ok(Some(Planned::unchanged("instance", name)));
        }
        let seen = (before.id, before.version);
        let step = Step::ChangeInstance { name: name.to_owned(), seen, update };
        Ok(Some(Planned::new("instance", name, Outcome::Changed, changes, step)))
    }

    /// Whether the image and the machine of a new instance are there, or will be.
    async fn references(&mut self, place: &Place, doc: &InstanceDoc) -> Result<bool, CliError> {
        let before = self.faults.len();
        let image = doc.image.0.as_str();
        if !self.images.contains(image) && found(self.session.client.image(image).await)?.is_none() {
            let why = format!("there is no image `{image}`; `billet image list` shows what there is");
            self.fault(place, "image", why);
        }
        let named = [("machine", &doc.machine), ("prefer_machine", &doc.prefer_machine)];
        for (field, machine) in named {
            let Some(machine) = machine.as_ref().map(|machine| machine.0.as_str()) else { continue };
            if !self.machines.contains(machine)
                && found(self.session.client.machine(machine).await)?.is_none()
            {
                let why =
                    format!("there is no machine `{machine}`; `billet machine list` shows what there is");
                self.fault(place, field, why);
            }
        }
        Ok(self.faults.len() == before)
    }
}

/// An image that is there already, or is to be sent.
pub(super) fn of_image(spec: ImageSpec, files: image::Files, there: bool) -> Planned {
    let name = spec.name.clone();
    if there {
        return Planned::unchanged("image", &name);
    }
    Planned::new("image", &name, Outcome::Created, Vec::new(), Step::Import { spec, files })
}
