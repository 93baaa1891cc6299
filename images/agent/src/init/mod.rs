//! The agent as the first process of a ramdisk: mounts, modules, clock, network; then `run`; then reboot.
//!
//! It never returns: a first process that ends is a kernel panic. Whatever goes wrong is said on the console, stands
//! there for ten seconds, and ends in a reboot.

mod clock;
mod firmware;
mod modules;

use crate::{BootParameters, Exit, Host, Pace, PermitKey, RealHost, net, perform::whole, run};
use nix::{
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use provisioner_client::agent::AgentClient;
use std::{error::Error, fs, path::Path, sync::Arc, thread, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The only CA that the agent trusts; the service appends it to the ramdisk.
const CA: &str = "/etc/billet/ca.pem";

/// The modules to load, one path a line, in order.
const MODULES: &str = "/etc/billet/modules";

/// How long the last words stay on the console.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long no new disk must appear, and how long that is waited for.
const DISKS_QUIET: Duration = Duration::from_millis(300);
const DISKS_MOST: Duration = Duration::from_secs(5);

/// What is mounted before anything else: type, place, options.
const MOUNTS: [(&str, &str, &str); 5] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", "mode=0755"),
    ("tmpfs", "/run", "mode=0755"),
    ("tmpfs", "/tmp", "mode=1777"),
];

/// Lives the agent's life on this machine. To be called by the first process only.
pub fn first_process() -> ! {
    let trouble = mounts();
    let host = Arc::new(RealHost::new());
    std::panic::set_hook(Box::new({
        let host = host.clone();
        move |panic| die(&host, &format!("the agent crashed, which is a bug: {panic}"))
    }));
    for line in trouble {
        host.say(&line);
    }
    host.say(&format!("agent {} is up", env!("CARGO_PKG_VERSION")));
    match life(&host) {
        Ok(Exit::PowerOff) => end(&host, RebootMode::RB_POWER_OFF),
        Ok(Exit::RebootToDisk) => {
            // Without it the firmware finds its disk too, only later.
            match firmware::boot_own_system_next() {
                Ok(Some(number)) => host.say(&format!("the firmware boots its entry {number:04X} next")),
                Ok(None) => {}
                Err(error) => host.say(&format!("the firmware takes no next boot: {error}")),
            }
            end(&host, RebootMode::RB_AUTOBOOT)
        }
        Ok(Exit::StartLoaded) => end(&host, RebootMode::RB_KEXEC),
        Ok(Exit::Reboot | Exit::Cancelled) => end(&host, RebootMode::RB_AUTOBOOT),
        Err(error) => die(&host, &whole(&*error)),
    }
}

/// From the mounted system to the agent's end.
fn life(host: &Arc<RealHost>) -> Result<Exit, Box<dyn Error>> {
    let boot = BootParameters::parse(&fs::read_to_string("/proc/cmdline")?)?;
    if let Some(now) = boot.now {
        clock::set_if_far_off(&**host, now);
    }
    modules::load(&**host, MODULES);
    let ca = fs::read(CA).map_err(|error| format!("the ramdisk has no CA certificate ({CA}): {error}"))?;
    let key = permit_key(&**host)?;
    let client = AgentClient::new(&boot.url, &ca)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        tokio::spawn(reap());
        let disks = tokio::task::spawn_blocking({
            let host = host.clone();
            move || host.settle_disks(DISKS_QUIET, DISKS_MOST)
        });
        net::come_up(host.clone(), boot.mac.clone()).await;
        disks.await?;
        host.say(&format!("calling {}", boot.url));
        let exit =
            run(host.clone(), Arc::new(client), boot.token, key, Pace::default(), CancellationToken::new());
        Ok(exit.await?)
    })
}

/// The key of permits. A service of an older build appended none: then nothing is destroyed, and each order that would
/// is refused with that reason.
fn permit_key(host: &dyn Host) -> Result<Option<PermitKey>, Box<dyn Error>> {
    let file = Path::new("/").join(provisioner_api::permit::KEY_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.parse()?)),
        Err(error) => {
            host.say(&format!(
                "the ramdisk has no key of permits ({}): {error}; no disk will be touched",
                file.display()
            ));
            Ok(None)
        }
    }
}

/// Mounts what has to be mounted; what failed, in words. There is no console to say it on before.
fn mounts() -> Vec<String> {
    let mut trouble = Vec::new();
    for (kind, place, options) in MOUNTS {
        // It is there already, or the mount will say what is wrong.
        let _ = fs::create_dir_all(place);
        let flags =
            MsFlags::MS_NOSUID | if kind == "devtmpfs" { MsFlags::empty() } else { MsFlags::MS_NODEV };
        if let Err(error) = mount(Some(kind), place, Some(kind), flags, Some(options)) {
            trouble.push(format!("can't mount {kind} on {place}: {error}"));
        }
    }
    trouble
}

/// Buries orphans, as a first process has to. The agent itself starts no process but in a rescue.
async fn reap() {
    let Ok(mut children) = signal(SignalKind::child()) else { return };
    while children.recv().await.is_some() {
        while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
}

/// Says why, leaves it on the console for a while, and restarts the machine.
fn die(host: &RealHost, why: &str) -> ! {
    host.say(why);
    host.say(&format!("restarting the machine in {} s", LAST_WORDS.as_secs()));
    thread::sleep(LAST_WORDS);
    end(host, RebootMode::RB_AUTOBOOT)
}

/// Restarts or switches off.
fn end(host: &RealHost, how: RebootMode) -> ! {
    nix::unistd::sync();
    // A success does not return.
    let Err(error) = reboot(how);
    host.say(&format!("the kernel refuses to end: {error}; switch the machine off and on"));
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
