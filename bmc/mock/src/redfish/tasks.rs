//! Tasks (DSP0266 section 12.2) and, in Dell's shape, jobs beside them: what takes long goes on a step whenever somebody
//! looks, so that tests need no time. What a task is to bring about at its end is a `Deed`.

use super::answer::{message, missing, with_json};
use super::group::{Event, Group, Request};
use super::media::Inserted;
use super::profiles::Profile;
use super::state::{Shared, lock};
use super::tree::trimmed;
use crate::ChassisError;
use async_trait::async_trait;
use axum::http::header::{HOST, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::sync::Mutex;
use std::time::Duration;

const MONITORS: &str = "/redfish/v1/TaskService/TaskMonitors";

/// How tasks that are started from now on end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fate {
    /// Well.
    #[default]
    Done,
    /// With this message.
    Fail(String),
    /// Never.
    Hang,
    /// Half way the BMC restarts, for so long; then it goes on, or is forgotten (see `set_forgets`).
    Restart(Duration),
}

/// Tasks.
pub struct Tasks {
    inner: Mutex<Inner>,
}

struct Inner {
    all: Vec<Task>,
    next: u32,
    polls: u32,
    fate: Fate,
    forgets: bool,
}

#[derive(Clone)]
struct Task {
    id: String,
    name: String,
    left: u32,
    polls: u32,
    phase: Phase,
    fate: Fate,
    deed: Deed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    AwaitsBoot,
    Done,
    Failed,
}

/// What a task is to bring about.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Others do it: what is pending takes effect at the next boot.
    Elsewhere,
    /// An image is put into this slot.
    Insert(String, Inserted),
    /// This item of firmware gets this version.
    Install(String, String),
}

impl Default for Tasks {
    fn default() -> Self {
        let inner = Inner { all: Vec::new(), next: 1, polls: 2, fate: Fate::Done, forgets: false };
        Self { inner: Mutex::new(inner) }
    }
}

impl Tasks {
    /// How often a task is looked at until it is done; 2 until that is set.
    pub fn set_polls(&self, polls: u32) {
        lock(&self.inner).polls = polls.max(1);
    }

    /// How tasks that are started from now on end.
    pub fn set_fate(&self, fate: Fate) {
        lock(&self.inner).fate = fate;
    }

    /// Whether a restart of the BMC makes it forget its tasks; those that run are done by it then.
    pub fn set_forgets(&self, forgets: bool) {
        lock(&self.inner).forgets = forgets;
    }

    /// How many there are, done or not.
    pub fn count(&self) -> usize {
        lock(&self.inner).all.len()
    }

    /// Whether one waits for the machine to boot.
    pub fn awaits_boot(&self) -> bool {
        lock(&self.inner).all.iter().any(|task| task.phase == Phase::AwaitsBoot)
    }

    /// Starts one and answers the request that did it.
    pub(super) fn start(
        &self,
        bmc: &Shared,
        request: &Request,
        name: &str,
        deed: Deed,
        at_boot: bool,
    ) -> Response {
        let dell = bmc.profile == Profile::Dell;
        let task = {
            let mut inner = lock(&self.inner);
            let id = if dell { format!("JID_{:012}", inner.next) } else { inner.next.to_string() };
            inner.next += 1;
            let phase = if at_boot { Phase::AwaitsBoot } else { Phase::Running };
            let (polls, fate) = (inner.polls, inner.fate.clone());
            let task = Task { id, name: name.into(), left: polls, polls, phase, fate, deed };
            inner.all.push(task.clone());
            task
        };
        let tasks = bmc.places().tasks.clone().unwrap_or_default();
        bmc.add_member(&tasks, &task.id, json!({"@odata.type": "#Task.v1_7_4.Task", "Id": task.id}));
        if let Some(jobs) = &bmc.places().jobs {
            bmc.add_member(jobs, &task.id, json!({"@odata.type": "#DellJob.v1_4_0.DellJob", "Id": task.id}));
        }
        accepted(bmc, request, &task, &format!("{tasks}/{}", task.id))
    }

    /// Goes a step on with a task that was looked at; answers how it shows.
    fn advance(&self, bmc: &Shared, id: &str) -> Option<Task> {
        let (shown, finished, restart) = {
            let mut inner = lock(&self.inner);
            let task = inner.all.iter_mut().find(|task| task.id == id)?;
            let before = task.clone();
            let mut restart = None;
            if task.phase == Phase::Running {
                let half = task.left <= task.polls.div_ceil(2);
                match &task.fate {
                    Fate::Hang if half => {}
                    Fate::Restart(down) if half => {
                        restart = Some(*down);
                        task.fate = Fate::Done;
                    }
                    _ => task.left -= 1,
                }
                if task.left == 0 {
                    task.phase = if matches!(task.fate, Fate::Fail(_)) { Phase::Failed } else { Phase::Done };
                }
            }
            let finished =
                (before.phase == Phase::Running && task.phase != Phase::Running).then(|| task.clone());
            // Dell's tasks are gone as soon as they are done.
            let late = bmc.profile == Profile::Dell && finished.is_some();
            (if late { before } else { task.clone() }, finished, restart)
        };
        if let Some(task) = finished {
            finish(bmc, &task);
        }
        if let Some(down) = restart {
            bmc.controls.restart(down);
        }
        Some(shown)
    }

    /// Somebody looks at a slot for media instead of at the task that fills it.
    pub(super) fn look_at_slot(&self, bmc: &Shared, slot: &str) {
        let fills = |task: &&Task| {
            task.phase == Phase::Running && matches!(&task.deed, Deed::Insert(into, _) if into == slot)
        };
        let id = lock(&self.inner).all.iter().find(fills).map(|task| task.id.clone());
        if let Some(id) = id {
            self.advance(bmc, &id);
        }
    }

    fn monitor(&self, bmc: &Shared, id: &str) -> Response {
        let Some(task) = self.advance(bmc, id) else { return missing() };
        match task.phase {
            Phase::Running | Phase::AwaitsBoot => {
                let mut body = Map::new();
                show(&task, &mut body, false);
                with_json(StatusCode::ACCEPTED, &Value::Object(body))
            }
            Phase::Done => bmc.tree.manners.done(),
            Phase::Failed => {
                let text = failure(&task);
                super::answer::error(StatusCode::BAD_REQUEST, "OperationFailed", &text, "None.")
            }
        }
    }

    fn id_of<'p>(bmc: &Shared, path: &'p str) -> Option<(&'p str, bool)> {
        let (collection, id) = path.rsplit_once('/')?;
        let places = bmc.places();
        let job = places.jobs.as_deref() == Some(collection);
        (job || places.tasks.as_deref() == Some(collection)).then_some((id, job))
    }
}

#[async_trait]
impl Group for Tasks {
    async fn show(
        &self,
        bmc: &Shared,
        path: &str,
        resource: &mut Map<String, Value>,
        reading: bool,
    ) -> Result<(), ChassisError> {
        let Some((id, job)) = Self::id_of(bmc, path) else { return Ok(()) };
        let now = || lock(&self.inner).all.iter().find(|task| task.id == id).cloned();
        let task = if reading { self.advance(bmc, id) } else { now() };
        // A job, unlike a task, shows how it is now.
        if let Some(task) = if job { now() } else { task } {
            show(&task, resource, job);
        }
        Ok(())
    }

    async fn handle(&self, bmc: &Shared, request: &Request) -> Option<Response> {
        let id = request.path.strip_prefix(MONITORS)?.strip_prefix('/')?;
        (request.method == Method::GET).then(|| self.monitor(bmc, id))
    }

    fn happened(&self, bmc: &Shared, event: &Event) {
        let finished: Vec<Task> = {
            let mut inner = lock(&self.inner);
            let forgets = inner.forgets;
            let mut finished = Vec::new();
            for task in &mut inner.all {
                let now = match event {
                    Event::Boot => task.phase == Phase::AwaitsBoot,
                    Event::ManagerRestart => forgets && task.phase == Phase::Running,
                    _ => false,
                };
                if now {
                    (task.left, task.phase) = (0, Phase::Done);
                    finished.push(task.clone());
                }
            }
            if forgets && matches!(event, Event::ManagerRestart) {
                for task in inner.all.drain(..) {
                    forget(bmc, &task);
                }
            }
            finished
        };
        for task in finished {
            finish(bmc, &task);
        }
    }
}

fn forget(bmc: &Shared, task: &Task) {
    for collection in [&bmc.places().tasks, &bmc.places().jobs].into_iter().flatten() {
        bmc.remove_member(collection, &task.id);
    }
}

/// Does what it was for.
fn finish(bmc: &Shared, task: &Task) {
    if bmc.profile == Profile::Dell
        && let Some(tasks) = &bmc.places().tasks
    {
        bmc.remove_member(tasks, &task.id);
    }
    if task.phase != Phase::Done {
        return;
    }
    let parts = bmc.controls.parts();
    match &task.deed {
        Deed::Elsewhere => {}
        Deed::Insert(slot, inserted) => parts.media.put(slot, inserted.clone()),
        Deed::Install(item, version) => parts.update.install(bmc, item, version),
    }
}

/// 202, as the maker says it.
fn accepted(bmc: &Shared, request: &Request, task: &Task, path: &str) -> Response {
    let link = bmc.tree.link(path)["@odata.id"].as_str().unwrap_or_default().to_owned();
    let monitor = format!("{MONITORS}/{}", task.id);
    let mut own = json!({
        "@odata.id": link,
        "@odata.type": "#Task.v1_7_4.Task",
        "Id": task.id,
        "Name": task.name,
        "TaskState": "New",
        "TaskMonitor": monitor,
    });
    let (body, location) = match bmc.profile {
        // XCC's body is the task (Lenovo's "XCC REST API" guide, "Simple update for firmware").
        Profile::Generic | Profile::Hpe | Profile::Lenovo => (own.take(), monitor),
        Profile::Ami => (own.take(), link),
        Profile::Dell => (Value::Null, link),
        Profile::Supermicro => {
            let text = format!("A task was created at {link}.");
            let info = json!([message(&format!("{}.Accepted", super::answer::BASE), &text, "OK", "None")]);
            (json!({"Accepted": {"code": "Base.v1_4_0.Accepted", "@Message.ExtendedInfo": info}}), link)
        }
    };
    let mut response = if body.is_null() {
        Response::new(axum::body::Body::empty())
    } else {
        with_json(StatusCode::ACCEPTED, &body)
    };
    *response.status_mut() = StatusCode::ACCEPTED;
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let location = match host.filter(|_| bmc.tree.manners.absolute_locations) {
        Some(host) => format!("https://{host}{location}"),
        None => location,
    };
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn failure(task: &Task) -> String {
    match &task.fate {
        Fate::Fail(why) => why.clone(),
        _ => "The operation failed.".into(),
    }
}

fn show(task: &Task, resource: &mut Map<String, Value>, job: bool) {
    let percent = (task.polls - task.left) * 100 / task.polls;
    let text = match task.phase {
        Phase::Running => format!("{} is being carried out.", task.name),
        Phase::AwaitsBoot => "Task successfully scheduled.".into(),
        Phase::Done => "The task completed successfully.".into(),
        Phase::Failed => failure(task),
    };
    resource.insert("Name".into(), task.name.as_str().into());
    resource.insert("PercentComplete".into(), percent.into());
    if job {
        let word = match task.phase {
            Phase::Running => "Running",
            Phase::AwaitsBoot => "Scheduled",
            Phase::Done => "Completed",
            Phase::Failed => "Failed",
        };
        resource.insert("JobState".into(), word.into());
        resource.insert("Message".into(), text.into());
        return;
    }
    let (word, status) = match task.phase {
        Phase::Running => ("Running", "OK"),
        Phase::AwaitsBoot => ("UserIntervention", "OK"),
        Phase::Done => ("Completed", "OK"),
        Phase::Failed => ("Exception", "Critical"),
    };
    resource.insert("TaskState".into(), word.into());
    resource.insert("TaskStatus".into(), status.into());
    let id = if task.phase == Phase::Failed {
        "Base.1.18.OperationFailed"
    } else {
        "TaskEvent.1.0.3.TaskProgressChanged"
    };
    resource.insert("Messages".into(), json!([message(id, &text, status, "None")]));
    let own = trimmed(resource.get("@odata.id").and_then(Value::as_str).unwrap_or_default()).is_empty();
    if own {
        resource.insert("@odata.type".into(), "#Task.v1_7_4.Task".into());
        resource.insert("Id".into(), task.id.as_str().into());
    }
}
