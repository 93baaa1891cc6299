//! A door to a PostgreSQL server for whoever has another network: a Unix socket, as the server itself could have one, at
//! which all that comes is passed on to its port.
//!
//! A lab has a network of its own, and the server's own socket lies in a folder that only its user may enter.

use anyhow::{Context, Result};
use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
};

/// Opens a door to `server` in this folder, under the name that clients look for (`.s.PGSQL.PORT`). It is open as long as
/// this process lives.
///
/// # Errors
/// When the socket can't be made.
pub(crate) fn open(folder: &Path, server: SocketAddr) -> Result<()> {
    let path = folder.join(format!(".s.PGSQL.{}", server.port()));
    let listener =
        UnixListener::bind(&path).with_context(|| format!("can't listen at {}", path.display()))?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Where there is no server, the client finds its connection closed.
            if let Ok(server) = TcpStream::connect(server) {
                pass_on(client, server);
            }
        }
    });
    Ok(())
}

/// Passes on what each side says, until one of them ends.
fn pass_on(client: UnixStream, server: TcpStream) {
    let both = client.try_clone().and_then(|client| Ok((client, server.try_clone()?)));
    // Without another handle the connection ends, which the client sees.
    let Ok((mut from_client, mut to_server)) = both else { return };
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        // An error is an end like any other.
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
}
