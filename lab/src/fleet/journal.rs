//! The folder of a run: `plan.json` (the scenario as it was run), `journal.ndjson` (an entry a line), `billet.log`,
//! `billet.toml`, and the service's `data`. And what a replay takes from it.

use crate::fleet::entry::{Entry, Violation, What};
use crate::fleet::kill::{Aim, Deed};
use crate::fleet::scenario::Scenario;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Judges entries as they come.
pub(crate) type Judge = Box<dyn FnMut(&Entry) -> Vec<Violation> + Send>;

/// The folder of a run.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes it; one that holds a run already is refused.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("can't make the folder {}", dir.display()))?;
        let dir = std::fs::canonicalize(dir)?;
        let folder = Self(dir);
        anyhow::ensure!(
            !folder.journal().exists(),
            "{} holds a run already; name another folder with --dir, or remove it",
            folder.0.display()
        );
        Ok(folder)
    }

    /// One that was written before.
    pub(crate) fn open(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal.ndjson")
    }

    /// Writes the scenario down as it is run.
    pub(crate) fn write_plan(&self, scenario: &Scenario) -> Result<()> {
        Ok(std::fs::write(self.plan(), serde_json::to_vec_pretty(scenario)?)?)
    }

    /// The scenario and the script of the run that is written down here.
    pub(crate) fn read(&self) -> Result<(Scenario, Script)> {
        let missing = |path: &Path| format!("{} is not there; is this the folder of a run?", path.display());
        let plan = std::fs::read(self.plan()).with_context(|| missing(&self.plan()))?;
        let scenario = serde_json::from_slice(&plan).context("plan.json can't be read")?;
        let journal = File::open(self.journal()).with_context(|| missing(&self.journal()))?;
        let mut entries = Vec::new();
        for line in BufReader::new(journal).lines() {
            // The last line may have been cut off. What machines did is most of it, and no part of the script.
            if let Ok(entry) = serde_json::from_str::<Entry>(&line?)
                && !matches!(entry.what, What::Seen(_) | What::Call { .. } | What::Answer { .. })
            {
                entries.push(entry);
            }
        }
        Ok((scenario, Script::of(&entries)?))
    }

    /// Starts to write what comes, on a thread, until it is finished. `judge` sees each entry first. Needs a runtime.
    pub(crate) fn start(&self, judge: Option<Judge>) -> Result<(mpsc::UnboundedSender<Entry>, Journal)> {
        let file = File::create(self.journal())
            .with_context(|| format!("can't write {}", self.journal().display()))?;
        let (sender, entries) = mpsc::unbounded_channel();
        let found = Arc::new(Mutex::new(Vec::new()));
        let (kept, over) = (Arc::clone(&found), CancellationToken::new());
        let (runtime, ending) = (Handle::current(), over.clone());
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || runtime.block_on(write(BufWriter::new(file), entries, judge, &kept, ending)))?;
        Ok((sender, Journal { found, thread, over }))
    }
}

/// The thread that writes.
pub(crate) struct Journal {
    found: Arc<Mutex<Vec<Violation>>>,
    thread: JoinHandle<Result<()>>,
    over: CancellationToken,
}

impl Journal {
    /// The list that it grows in.
    pub(crate) fn shared(&self) -> Arc<Mutex<Vec<Violation>>> {
        Arc::clone(&self.found)
    }

    /// Writes what is there, and nothing that comes after this; what was found to be broken.
    pub(crate) fn finish(self) -> Result<Vec<Violation>> {
        self.over.cancel();
        match self.thread.join() {
            Ok(written) => written.context("the journal could not be written")?,
            Err(_) => anyhow::bail!("the journal's thread panicked; its judge has a bug"),
        }
        Ok(self.found.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

async fn write(
    mut file: BufWriter<File>,
    mut entries: mpsc::UnboundedReceiver<Entry>,
    mut judge: Option<Judge>,
    found: &Mutex<Vec<Violation>>,
    over: CancellationToken,
) -> Result<()> {
    loop {
        let entry = tokio::select! {
            biased;
            entry = entries.recv() => entry,
            () = over.cancelled() => {
                entries.close();
                entries.recv().await
            }
        };
        let Some(entry) = entry else { return Ok(file.flush()?) };
        if let Some(judge) = &mut judge {
            let broken = judge(&entry);
            if !broken.is_empty() {
                found.lock().unwrap_or_else(PoisonError::into_inner).extend(broken);
            }
        }
        serde_json::to_writer(&mut file, &entry)?;
        file.write_all(b"\n")?;
        // Whoever looks at a run sees it as it goes.
        if entries.is_empty() {
            file.flush()?;
        }
    }
}

/// What a replay does again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Script {
    /// The kills.
    pub(crate) kills: Vec<Aim>,
    /// The faults of each phase, in the order of phases: how long after the phase's begin, what, and whether it begins.
    pub(crate) faults: Vec<Vec<Change>>,
}

/// A fault begins or ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) after: Duration,
    pub(crate) deed: Deed,
    pub(crate) begins: bool,
}

impl Script {
    fn of(entries: &[Entry]) -> Result<Self> {
        let mut faults: Vec<Vec<Change>> = Vec::new();
        let mut begun = 0;
        for entry in entries {
            let (words, begins) = match &entry.what {
                What::Phase { .. } => {
                    begun = entry.at_us;
                    faults.push(Vec::new());
                    continue;
                }
                What::Fault { words, .. } => (words, true),
                What::Mended { words } => (words, false),
                _ => continue,
            };
            let deed = words.parse().map_err(anyhow::Error::msg)?;
            let after = Duration::from_micros(entry.at_us.saturating_sub(begun));
            if let Some(phase) = faults.last_mut() {
                phase.push(Change { after, deed, begins });
            }
        }
        Ok(Self { kills: Aim::of_journal(entries), faults })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::entry::{Seen, SeenKind};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_written_is_replayed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(&dir.path().join("run")).unwrap();
        let scenario = Scenario::find("soak-ci").unwrap();
        folder.write_plan(&scenario).unwrap();
        let judge: Judge = Box::new(|entry| match entry.what {
            What::Seen(Seen::Nak) => {
                vec![Violation { invariant: "x".into(), about: "m".into(), why: "no".into() }]
            }
            _ => vec![],
        });
        let (sender, journal) = folder.start(Some(judge)).unwrap();
        let words = || Deed::Rack(2).to_string();
        let whats = [
            What::Phase { name: "intake".into() },
            What::Phase { name: "churn".into() },
            What::Fault { words: words(), may_hold: vec![] },
            What::Seen(Seen::Nak),
            What::Killed { after: Some((SeenKind::Claimed, 3)), plus_us: 9 },
            What::Mended { words: words() },
        ];
        for (at, what) in whats.into_iter().enumerate() {
            sender.send(Entry { at_us: at as u64 * 1000, machine: None, what }).unwrap();
        }
        drop(sender);
        assert_eq!(journal.finish().unwrap().len(), 1);
        let (read, script) = Folder::open(folder.path()).read().unwrap();
        assert_eq!(read, scenario);
        assert_eq!(script.kills, [Aim { kind: SeenKind::Claimed, nth: 3, plus_us: 9 }]);
        let change = |ms, begins| Change { after: Duration::from_millis(ms), deed: Deed::Rack(2), begins };
        assert_eq!(script.faults, [vec![], vec![change(1, true), change(4, false)]]);
        let again = Folder::create(folder.path()).unwrap_err().to_string();
        assert!(again.contains("--dir"), "{again}");
    }
}
