//! The crate async-tftp as a server: the yardstick of `make bench-pxe`, since it is what we would use otherwise.
//!
//! `async_tftp ADDRESS:PORT FOLDER`

use anyhow::{Context as _, bail};
use async_tftp::server::TftpServerBuilder;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder] = arguments.as_slice() else { bail!("usage: async_tftp ADDRESS:PORT FOLDER") };
    let address = address.parse().context("the address is no ADDRESS:PORT")?;
    futures_lite::future::block_on(async {
        // Its own defaults, but for the block size that fits a frame, as ours.
        let server = TftpServerBuilder::with_dir_ro(folder)?.bind(address).block_size_limit(1468).build().await?;
        server.serve().await.context("it ended")
    })
}
