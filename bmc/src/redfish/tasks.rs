//! What a BMC does that takes long: tasks, task monitors, makers' job queues. How they are read is decided in
//! `bmc_proto::redfish::task`.

use super::Redfish;
use super::session::path_of;
use super::transport::Request;
use crate::{BmcError, Task, TaskHandle, TaskState, Tasks};
use async_trait::async_trait;
use bmc_proto::redfish::task::{
    Reading, State, jobs_link, judge_task, read_task, same_job, tasks_link, unknown_task,
};
use bmc_proto::redfish::{Effect, ResourcePath};
use serde_json::Value;

const LIST: &str = "list the tasks";
const READ: &str = "look at a task";

/// The most tasks that are read for a list; the newest are.
const TASKS_MAX: usize = 100;

#[async_trait]
impl Tasks for Redfish {
    async fn tasks(&self) -> Result<Vec<Task>, BmcError> {
        let mut paths = self.task_paths().await?;
        let quirks = self.quirks().await?;
        if quirks.has(Effect::JobsOutliveTasks) {
            // A task has the name of its job, and is the same.
            let jobs = self.job_paths().await?;
            paths.retain(|task| same_job(task, &jobs, &quirks).is_none());
            paths.extend(jobs);
        }
        let mut tasks = Vec::new();
        for path in paths.split_off(paths.len().saturating_sub(TASKS_MAX)) {
            let resource: Option<Value> = match self.read_optional(&path, LIST).await {
                Ok(resource) => resource,
                // One that can't be read hides the others no more than one that is gone.
                Err(BmcError::Refused { .. } | BmcError::Protocol { .. }) => None,
                Err(error) => return Err(error),
            };
            let reading = resource.as_ref().and_then(read_task);
            tasks.extend(reading.map(|reading| shown(TaskHandle(path.to_string()), &path, reading)));
        }
        Ok(tasks)
    }

    async fn task(&self, task: &TaskHandle) -> Result<Task, BmcError> {
        let Some(path) = ResourcePath::from_link(&task.0) else {
            return Err(self.cannot(format!(
                "`{}` is no task of a Redfish BMC",
                bmc_proto::redfish::printable(&task.0, 100)
            )));
        };
        let mut reading = self.look_at(&path).await?;
        // The task was the order only; the handle stays that of the task, which tells where the job is.
        if let Some(job) = reading.job.take().filter(|job| reading.state == State::Done && *job != path) {
            let reading = self.look_at(&job).await?;
            return Ok(shown(task.clone(), &job, reading));
        }
        if reading.state == State::Gone {
            let quirks = self.quirks().await?;
            let jobs = match quirks.has(Effect::JobsOutliveTasks) {
                true => self.job_paths().await?,
                false => Vec::new(),
            };
            if let Some(job) = same_job(&path, &jobs, &quirks).filter(|job| *job != path) {
                let reading = self.look_at(&job).await?;
                return Ok(shown(task.clone(), &job, reading));
            }
            reading.state = unknown_task(self.is_young(task), &quirks);
        }
        Ok(shown(task.clone(), &path, reading))
    }
}

impl Redfish {
    async fn look_at(&self, path: &ResourcePath) -> Result<Reading, BmcError> {
        let answer = self.call(&Request::get(path, READ)).await?;
        if let Some(reading) = judge_task(answer.status.as_u16(), &answer.body) {
            return Ok(reading);
        }
        let transport = self.transport()?;
        let answer = transport.success(answer, READ)?;
        let start = bmc_proto::redfish::printable(
            &String::from_utf8_lossy(&answer.body[..answer.body.len().min(40)]),
            40,
        );
        Err(transport.broken(READ, format!("the body is no task: {start}")))
    }

    /// Whether there is a task that carries a change out: it runs, waits for a boot, or is done. That it failed is an
    /// error; no task, or one that is gone, proves nothing.
    pub(super) async fn must_not_have_failed(
        &self,
        task: Option<&TaskHandle>,
        during: &'static str,
    ) -> Result<bool, BmcError> {
        let Some(task) = task else { return Ok(false) };
        let task = self.task(task).await?;
        match task.state {
            TaskState::Failed => {
                let found = format!("its task {}: {}", task.name, task.messages.join("; "));
                Err(self.not_done(during, found))
            }
            // One that doesn't show yet may still fail at once, and its name is all that is known of it.
            TaskState::Running if task.percent.is_none() && self.is_young(&task.handle) => {
                let path = ResourcePath::from_link(&task.handle.0);
                Ok(match path {
                    Some(path) => self.look_at(&path).await?.state != State::Gone,
                    None => false,
                })
            }
            TaskState::Running | TaskState::AwaitsBoot | TaskState::Done => Ok(true),
            TaskState::Gone => Ok(false),
        }
    }

    /// All members of a collection, read; none when there is no such collection. When not one of them can be read, why.
    pub(super) async fn read_all(
        &self,
        collection: &ResourcePath,
        during: &'static str,
    ) -> Result<Vec<(ResourcePath, Value)>, BmcError> {
        if self.read_optional::<Value>(collection, during).await?.is_none() {
            return Ok(Vec::new());
        }
        let (found, mut errors) = self.read_members(collection, during).await?;
        match errors.pop() {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    async fn task_paths(&self) -> Result<Vec<ResourcePath>, BmcError> {
        let root = self.root().await?;
        let Some(service) = root.tasks.as_ref().and_then(path_of) else {
            return Err(self.cannot("it has no task service"));
        };
        let service: Option<Value> = self.read_optional(&service, LIST).await?;
        match service.as_ref().and_then(tasks_link) {
            Some(tasks) => self.members(&tasks, LIST).await,
            None => Ok(Vec::new()),
        }
    }

    /// The jobs of a job service, or of the manager's own queue.
    async fn job_paths(&self) -> Result<Vec<ResourcePath>, BmcError> {
        let root: Value = self.read(&ResourcePath::root(), LIST).await?;
        let mut jobs = None;
        if let Some(service) = bmc_proto::redfish::value::link(&root, "/JobService") {
            let service: Option<Value> = self.read_optional(&service, LIST).await?;
            jobs = service.as_ref().and_then(jobs_link);
        }
        if jobs.is_none()
            && let Some(manager) = self.manager_path().await?
        {
            let manager: Value = self.read(&manager, "read the manager").await?;
            jobs = jobs_link(&manager);
        }
        match jobs {
            Some(jobs) => self.members(&jobs, LIST).await,
            None => Ok(Vec::new()),
        }
    }
}

fn shown(handle: TaskHandle, path: &ResourcePath, reading: Reading) -> Task {
    let id = || path.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    Task {
        handle,
        name: if reading.name.is_empty() { id() } else { reading.name },
        state: match reading.state {
            State::Running => TaskState::Running,
            State::AwaitsBoot => TaskState::AwaitsBoot,
            State::Done => TaskState::Done,
            State::Failed => TaskState::Failed,
            State::Gone => TaskState::Gone,
        },
        percent: reading.percent,
        messages: reading.messages,
    }
}
