//! Loading the kernel modules that the ramdisk brings, in the order of its list.
//!
//! The list is made with the ramdisk, dependencies first; nothing is looked up or chosen here.

use crate::Host;
use nix::{errno::Errno, kmod::ModuleInitFlags, kmod::finit_module};
use std::{fs, fs::File, io};

/// `MODULE_INIT_COMPRESSED_FILE` (`linux/module.h`, since 5.17): the kernel unpacks the file itself.
const COMPRESSED: ModuleInitFlags = ModuleInitFlags::from_bits_retain(4);

/// Loads the modules in the list. One that fails is told of and left out.
pub(super) fn load(host: &dyn Host, list: &str) {
    let paths = match fs::read_to_string(list) {
        Ok(paths) => paths,
        Err(error) => return host.say(&format!("can't read the list of modules {list}: {error}")),
    };
    let (mut loaded, mut all) = (0, 0);
    for path in paths.lines().map(str::trim).filter(|path| !path.is_empty() && !path.starts_with('#')) {
        all += 1;
        match load_one(path) {
            Ok(()) => loaded += 1,
            // No such hardware here: most drivers say so only when their device is asked for, some at once.
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
            Err(error) => host.say(&format!("can't load {path}: {error}")),
        }
    }
    host.say(&format!("loaded {loaded} of {all} kernel modules"));
}

fn load_one(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let packed = [".xz", ".zst", ".gz"].iter().any(|ending| path.ends_with(ending));
    let flags = if packed { COMPRESSED } else { ModuleInitFlags::empty() };
    match finit_module(&file, c"", flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
