//! The program `billet`: the service and its command line in one file.

use std::process::ExitCode;

/// A deployment is many small pieces of memory that one thread takes and another gives back: measured, this one needs a
/// fifth less CPU for it than glibc's, and less memory at the end, because it gives back what a storm took.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    provisioner::cli::main()
}
