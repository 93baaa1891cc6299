//! The ways in which a simulated BMC misbehaves, each seen on real ones. Doing them is not here (`faulty`, the groups).

use serde_json::Value;
use std::time::Duration;

/// What it does wrong everywhere, until changed. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// So many of the next requests are answered with 503.
    pub unavailable: u32,
    /// No request is ever answered.
    pub silent: bool,
    /// Every request is answered with a redirect there.
    pub redirect: Option<String>,
    /// Answers are followed by so many bytes of white space.
    pub padding: usize,
    /// There are no sessions: their addresses are 404.
    pub no_sessions: bool,
    /// Basic authentication is switched off.
    pub no_basic: bool,
    /// So many sessions can be open; 8 otherwise.
    pub session_cap: Option<usize>,
    /// So many members are on a page of a collection; as the profile says otherwise.
    pub page_size: Option<usize>,
    /// A change of the boot override is answered with 204 and forgotten.
    pub ignore_boot: bool,
    /// A reset is answered with 204 and forgotten.
    pub ignore_reset: bool,
    /// After each reset, so many readings of the system still show the power as it was.
    pub stale_power: u32,
    /// After each reset, so many readings of the system show `PoweringOn` or `PoweringOff`.
    pub slow_power: u32,
    /// An override for one boot stays after it.
    pub once_stays: bool,
    /// So many of the next changes are answered with 412, whatever `If-Match` says.
    pub stale_etags: u32,
    /// ETags are weak ones, and then no `If-Match` ever matches.
    pub weak_etags: bool,
    /// A change without `If-Match` is answered with 428.
    pub require_etag: bool,
    /// Allowable reset types are told by an `ActionInfo` only.
    pub action_info: bool,
    /// A changed password ends the sessions that were made with the old one.
    pub password_ends_sessions: bool,
}

/// What it does wrong at some paths.
#[derive(Debug, Clone)]
pub struct Fault {
    path: String,
    method: Option<String>,
    skip: u32,
    times: Option<u32>,
    effect: Effect,
}

/// What is wrong.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Answered with this status and an error of the Base registry; not done.
    Status(u16),
    /// Answered with this status and this body, JSON or not; not done.
    Answer(u16, String),
    /// Answered with this status and an error with this message id and text; not done.
    Error(u16, String, String),
    /// Done, and answered after this time.
    Delay(Duration),
    /// Done, but answered with this body instead.
    Replace(Value),
    /// Done, but this is merged into the answer: objects are merged, all else is replaced.
    Merge(Value),
    /// Done, and the answer has this header.
    Header(String, String),
    /// Answered as if done (2xx), and forgotten. For changes only.
    Ignore,
    /// Never answered; not done.
    Hang,
    /// The connection is cut without an answer; not done.
    Cut,
    /// Done, and the connection is cut without an answer.
    LoseAnswer,
    /// Done, and the connection is cut after so many bytes of the answer's body.
    Truncate(usize),
    /// Done, and then the BMC restarts, for so long.
    Restart(Duration),
}

impl Fault {
    /// This, at every path, by every method, for ever.
    pub fn new(effect: Effect) -> Self {
        Self { path: "*".into(), method: None, skip: 0, times: None, effect }
    }

    /// At paths like this only; `*` stands for anything, also for several steps.
    pub fn at(self, path: &str) -> Self {
        Self { path: path.into(), ..self }
    }

    /// By this method only.
    pub fn by(self, method: &str) -> Self {
        Self { method: Some(method.into()), ..self }
    }

    /// So many times.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Only after so many requests that fit went well.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
}

/// The faults at some paths, with what is left of them.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Fault>);

impl Rules {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// What a request meets. Each fault that fits is used up by one.
    pub(super) fn fitting(&mut self, method: &str, path: &str) -> Vec<Effect> {
        let path = super::tree::trimmed(path);
        let mut effects = vec![];
        for fault in &mut self.0 {
            let by = fault.method.as_deref().is_none_or(|wanted| wanted == method);
            if !by || !like(super::tree::trimmed(&fault.path), path) || fault.times == Some(0) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            effects.push(fault.effect.clone());
        }
        effects
    }
}

/// Whether a path is like a pattern in which `*` stands for anything.
fn like(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            after.is_empty() || rest.char_indices().any(|(at, _)| like(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, fits) in [
            ("*", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", false),
            ("/a/*", "/a/b/c", true),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/c/d", false),
            ("*/c", "/a/b/c", true),
            ("*.Reset", "/x/Actions/ComputerSystem.Reset", true),
            ("*.Reset", "/x/Actions/ComputerSystem.Reset/", true),
        ] {
            let mut rules = Rules(vec![Fault::new(Effect::Hang).at(pattern)]);
            assert_eq!(rules.fitting("GET", path).len(), usize::from(fits), "{pattern} {path}");
        }
    }

    #[test]
    fn a_fault_is_skipped_and_used_up() {
        let fault = Fault::new(Effect::Hang).by("PATCH").after(1).times(2);
        let mut rules = Rules(vec![fault]);
        let met: Vec<usize> = ["PATCH", "GET", "PATCH", "PATCH", "PATCH"]
            .into_iter()
            .map(|method| rules.fitting(method, "/a").len())
            .collect();
        assert_eq!(met, [0, 0, 1, 1, 0]);
    }
}
