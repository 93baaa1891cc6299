//! `billet-lab up`: from the terminal to a running daemon.

use anyhow::{Context, bail};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use super::arguments::{Up, Which};
use crate::layout::{self, Layout};
use crate::report::Report;
use crate::spec::Spec;
use crate::virtualbox::VirtualBox;
use crate::{daemon, handle, namespace};

pub(super) fn up(up: Up) -> anyhow::Result<()> {
    let spec = spec(up.spec.as_deref())?;
    if up.hypervisor.hypervisor == Which::Virtualbox {
        return virtualbox(up, &spec);
    }
    if let Some(sentence) = handle::missing(&spec) {
        bail!(sentence);
    }
    let dir = up.dir.dir.clone().unwrap_or_else(layout::default_dir);
    let layout = Layout::create(&dir, &spec.machines)?;
    let lock = lock(&layout)?;
    if up.detach {
        // The child takes the lock itself.
        drop(lock);
        return detach(&up, &layout);
    }
    if up.fresh {
        empty(&layout, &spec)?;
    }
    start_log(&layout)?;
    link_own_program(&layout)?;
    if up.background {
        // Fails only for the leader of a group, which a started child isn't.
        setsid().context("can't leave the terminal")?;
    }
    // Only one thread up to here, see `namespace`.
    namespace::enter_new()?;
    let hung_up = watch_hangup(up.until_hangup);
    // One thread also from here on: children end with the thread that started them, see `child`.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let background = up.background;
    let ended = runtime.block_on(daemon::run(&spec, &layout, |report| announce(report, background), hung_up));
    if let Err(error) = &ended {
        tracing::error!(error = format!("{error:#}"), "the lab ended");
    }
    drop(lock);
    ended
}

/// What the lab is made of.
pub(super) fn spec(file: Option<&Path>) -> anyhow::Result<Spec> {
    Ok(match file {
        Some(path) => Spec::read(path)?,
        None => Spec::default(),
    })
}

/// Makes VirtualBox's machines; nothing runs on.
fn virtualbox(up: Up, spec: &Spec) -> anyhow::Result<()> {
    let dir = up.dir.dir.unwrap_or_else(layout::default_dir);
    let layout = Layout::create(&dir, &spec.machines)?;
    let billet = up.enrol.then(|| "billet".into());
    let told = VirtualBox { manage: up.hypervisor.vboxmanage, billet }.up(spec, &layout, up.fresh)?;
    std::io::stdout().write_all(told.as_bytes())?;
    Ok(())
}

/// The daemon's lock, with its process number inside.
fn lock(layout: &Layout) -> anyhow::Result<File> {
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(layout.lock())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error).context("can't lock the lab's folder"),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid)?;
            let dir = layout.dir().display();
            bail!("a lab is up already in {dir} (process {}); `billet-lab down` ends it", pid.trim());
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Starts this program again, in the background, and waits until it is up.
fn detach(up: &Up, layout: &Layout) -> anyhow::Result<()> {
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0("billet-lab").arg("up").arg("--background").arg("--dir").arg(layout.dir());
    if let Some(spec) = &up.spec {
        command.arg("--spec").arg(spec);
    }
    if up.fresh {
        command.arg("--fresh");
    }
    let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut report = String::new();
    if let Some(mut stdout) = daemon.stdout.take() {
        stdout.read_to_string(&mut report)?;
    }
    if report.is_empty() {
        let ended = daemon.wait()?;
        bail!("the lab did not come up ({ended}); see also {}", layout.log().display());
    }
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

/// Prints the report; in the background, then falls silent, which tells whoever started us that all is up.
fn announce(report: &Report, background: bool) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(report.to_json()?.as_bytes())?;
    stdout.flush()?;
    if background {
        let nowhere = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdout(&nowhere)?;
        dup2_stderr(&nowhere)?;
    }
    Ok(())
}

/// Resolves when standard input ends, or never.
fn watch_hangup(wanted: bool) -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    // A thread, because a read of standard input can't be cancelled; it ends with the process.
    std::thread::spawn(move || {
        while wanted && std::io::stdin().read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
        if !wanted {
            std::thread::park();
        }
        drop(sender);
    });
    receiver
}

fn start_log(layout: &Layout) -> anyhow::Result<()> {
    let file =
        File::create(layout.log()).with_context(|| format!("can't write {}", layout.log().display()))?;
    let filter = EnvFilter::try_from_env("BILLET_LAB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}

fn link_own_program(layout: &Layout) -> anyhow::Result<()> {
    let link = layout.own_program();
    let _first_run = std::fs::remove_file(&link);
    symlink(std::env::current_exe()?, &link).with_context(|| format!("can't make {}", link.display()))
}

fn empty(layout: &Layout, spec: &Spec) -> anyhow::Result<()> {
    for machine in &spec.machines {
        let files = layout.machine(&machine.name);
        let disks = (0..=machine.data_disks.len()).map(|number| files.disk(number));
        for path in disks.chain([files.variables()]) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("can't remove {}", path.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
