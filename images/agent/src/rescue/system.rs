//! The rescue system on the machine that the agent runs on: files in RAM, a key of its own, and dropbear.
//!
//! Log-in is by key alone; forwarding is off. The host key is made at each start, so that none is ever the same on two
//! machines, nor kept anywhere. A server that ends is started again.

use super::archive::{BadArchive, unpack};
use nix::mount::{MsFlags, mount};
use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Where programs are.
const BUSYBOX: &str = "/bin/busybox";
const KEYGEN: &str = "/usr/bin/dropbearkey";
const SERVER: &str = "/usr/sbin/dropbear";

const HOST_KEY: &str = "/etc/dropbear/host_ed25519";

/// The port of SSH.
const PORT: u16 = 22;

/// How often it is looked whether the server answers, and the pause between.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(100);

/// The pause before a server that ended is started again.
const PAUSE: Duration = Duration::from_secs(2);

/// Why the rescue system does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoRescue {
    /// The archive is bad.
    #[error(transparent)]
    Archive(#[from] BadArchive),
    /// A file can't be made, or a program not be run.
    #[error("can't {what}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key generator said something else.
    #[error("dropbearkey made no key that tells its fingerprint; it said: {said}")]
    NoFingerprint {
        /// What it said.
        said: String,
    },
    /// It was started and does not answer.
    #[error("the SSH server does not answer on port {PORT}")]
    Deaf,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> NoRescue {
    move |source| NoRescue::Failed { what, source }
}

/// The rescue system of this boot.
#[derive(Debug, Default)]
pub(crate) struct RescueSystem {
    /// The fingerprint of the host key, once the server runs.
    running: Mutex<Option<String>>,
}

impl RescueSystem {
    /// Sees to it that it runs and that these may log in; answers the fingerprint of its host key. `say` tells the console.
    pub(crate) fn start(
        &self,
        archive: &[u8],
        authorized_keys: &[String],
        say: impl Fn(&str) + Send + 'static,
    ) -> Result<String, NoRescue> {
        // A start that panicked left nothing here.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fingerprint) = &*running {
            authorize(Path::new("/root"), authorized_keys)?;
            return Ok(fingerprint.clone());
        }
        unpack(archive, Path::new("/"))?;
        authorize(Path::new("/root"), authorized_keys)?;
        terminals()?;
        // For the server's own check, and for whatever else is used to it.
        run([BUSYBOX, "ip", "link", "set", "lo", "up"]).map_err(failed("bring the interface lo up"))?;
        let fingerprint = host_key()?;
        let server = server().map_err(failed("start dropbear"))?;
        thread::Builder::new()
            .name("rescue".to_owned())
            .spawn(move || keep(server, &say))
            .map_err(failed("start a thread"))?;
        answers(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))?;
        Ok(running.insert(fingerprint).clone())
    }
}

/// Writes who may log in, readable by root alone: dropbear believes no file that others may write.
fn authorize(home: &Path, keys: &[String]) -> Result<(), NoRescue> {
    let folder = home.join(".ssh");
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make /root/.ssh")(error));
        }
        _ => {}
    }
    let new = folder.join("authorized_keys.new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        for key in keys {
            file.write_all(key.as_bytes())?;
            file.write_all(b"\n")?;
        }
        fs::rename(&new, folder.join("authorized_keys"))
    };
    write().map_err(failed("write authorized_keys"))
}

/// Terminals for who logs in.
fn terminals() -> Result<(), NoRescue> {
    let place = "/dev/pts";
    if Path::new(place).join("ptmx").exists() {
        return Ok(());
    }
    let mounted = fs::create_dir_all(place).and_then(|()| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        mount(Some("devpts"), place, Some("devpts"), flags, Some("gid=5,mode=620"))?;
        Ok(())
    });
    mounted.map_err(failed("mount devpts on /dev/pts"))
}

/// Makes a fresh host key; answers its fingerprint.
fn host_key() -> Result<String, NoRescue> {
    match fs::remove_file(HOST_KEY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove an old host key")(error));
        }
        _ => {}
    }
    let said = run([KEYGEN, "-t", "ed25519", "-f", HOST_KEY]).map_err(failed("run dropbearkey"))?;
    fingerprint(&said).ok_or(NoRescue::NoFingerprint { said })
}

/// The fingerprint in what dropbearkey says, as OpenSSH shows it.
fn fingerprint(said: &str) -> Option<String> {
    let line = said.lines().find_map(|line| line.strip_prefix("Fingerprint: "))?;
    let print = line.split_whitespace().find(|word| word.starts_with("SHA256:"))?;
    Some(print.trim_end_matches('=').to_owned())
}

/// Runs a program to its end; answers what it said. How it ended is not known: the first process buries whatever ends,
/// mostly before it is asked for here.
fn run<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> io::Result<String> {
    let mut words = words.into_iter();
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(64 * 1024).read_to_string(&mut said)?;
    }
    let _ = child.wait();
    Ok(said)
}

/// Starts the server: in the foreground, without passwords, without forwarding.
fn server() -> io::Result<Child> {
    let port = PORT.to_string();
    Command::new(SERVER)
        .args(["-F", "-E", "-s", "-j", "-k", "-r", HOST_KEY, "-p", &port])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}

/// Starts the server again whenever it ended.
fn keep(mut server_now: Child, say: &(impl Fn(&str) + Send)) {
    loop {
        // An error: the first process has buried it.
        let _ = server_now.wait();
        say("the SSH server of the rescue system ended; starting it again");
        server_now = loop {
            thread::sleep(PAUSE);
            match server() {
                Ok(server) => break server,
                Err(error) => say(&format!("can't start the SSH server: {error}; trying again")),
            }
        };
    }
}

/// Waits until somebody listens there.
fn answers(address: SocketAddr) -> Result<(), NoRescue> {
    for _ in 0..LOOKS {
        if TcpStream::connect_timeout(&address, LOOK).is_ok() {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    Err(NoRescue::Deaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn fingerprints_are_read_as_openssh_shows_them() {
        let said = "Generating 256 bit ed25519 key, this may take a while...\nPublic key portion is:\nssh-ed25519 AAAA root@x\nFingerprint: SHA256:Qx3vTtU\n";
        assert_eq!(fingerprint(said).as_deref(), Some("SHA256:Qx3vTtU"));
        for other in ["", "Fingerprint: md5 00:11", "ssh-ed25519 AAAA"] {
            assert_eq!(fingerprint(other), None, "{other}");
        }
    }

    #[test]
    fn keys_are_roots_alone_and_the_last_ones_count() {
        let home = tempfile::tempdir().unwrap();
        authorize(home.path(), &["ssh-ed25519 OLD".into(), "ssh-rsa OTHER".into()]).unwrap();
        authorize(home.path(), &["ssh-ed25519 NEW".into()]).unwrap();
        let file = home.path().join(".ssh/authorized_keys");
        assert_eq!(fs::read_to_string(&file).unwrap(), "ssh-ed25519 NEW\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_program_is_heard_to_its_end_whoever_buries_it() {
        assert_eq!(run(["/bin/echo", "some", "words"]).unwrap(), "some words\n");
        assert!(run(["/nowhere/at-all"]).is_err());
    }
}
