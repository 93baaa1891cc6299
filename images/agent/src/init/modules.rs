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
            Ok(true) => loaded += 1,
            Ok(false) => {}
            Err(error) => host.say(&format!("can't load {path}: {error}")),
        }
    }
    host.say(&format!("loaded {loaded} of {all} kernel modules"));
}

/// Loads one; false: there is nothing here for it to drive.
fn load_one(path: &str) -> io::Result<bool> {
    let file = File::open(path)?;
    let packed = [".xz", ".zst", ".gz"].iter().any(|ending| path.ends_with(ending));
    let flags = if packed { COMPRESSED } else { ModuleInitFlags::empty() };
    match finit_module(&file, c"", flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(true),
        // No such hardware: most drivers load all the same, some say so at once; and those that build on them then
        // miss a symbol (ENOENT; that the file is there was seen above).
        Err(Errno::ENODEV | Errno::ENOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
