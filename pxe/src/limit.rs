//! The limit of open files, which a storm of booting machines reaches: each download is a socket.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Raises this process's limit of open files to the most that it may have, since systems begin with 1024. For the
/// start of a program; children inherit it.
///
/// # Errors
/// The system refuses.
pub fn raise_file_limit() -> io::Result<()> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if now < most {
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_highest_afterwards() {
        raise_file_limit().unwrap();
        let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(now, most);
    }
}
