//! Random bytes from the kernel.

/// Random bytes; waits in early boot until the kernel has gathered enough.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
