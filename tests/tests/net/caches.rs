//! A cache in a rack: nginx as docs/nginx-cache.conf has it, between agents and the boot HTTP server.

use crate::Test;
use crate::site::pair;
use anyhow::{Context, Result, ensure};
use provisioner_client::agent::AgentClient;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use tests::net::{Namespace, Process, SERVER, Service, until};

pub(crate) const TESTS: &[Test] = &[
    (
        "caches::a_chunk_is_fetched_once_and_outlives_the_service",
        a_chunk_is_fetched_once_and_outlives_the_service,
    ),
    ("caches::without_a_cache_nothing_of_an_image_leaves_by_plain_http", without_a_cache_nothing_leaves),
];

const CACHE: &str = "http://10.77.0.9:8080";
const NETWORK: &str = "range = [\"10.77.0.100\", \"10.77.0.199\"]\n";
/// Bytes of the image: three chunks, of which the last is a small one.
const IMAGE_BYTES: usize = (9 << 20) + 512;

fn a_chunk_is_fetched_once_and_outlives_the_service(folder: &Path) -> Result<()> {
    let network = format!("{NETWORK}[[images.caches]]\nurl = \"{CACHE}\"\n");
    let (mut service, rack) = pair(folder, &network)?;
    rack.ip("addr add 10.77.0.9/24 dev lan0")?;
    let chunks = import(&service)?;
    let nginx = nginx(&rack, folder)?;
    let [first, second, rotten] = chunks.as_slice() else { anyhow::bail!("{} chunks", chunks.len()) };

    for _ in 0..3 {
        ensure!(agents_fetch(&rack, first)? == Some(fs::read(&first.path)?), "another chunk than the file");
    }
    let asked = |status: &str| service.counter("billet_http_requests_total", &["path=\"chunks\"", status]);
    let once = asked("status=\"200\"")?;
    ensure!(once == 1.0, "the service was asked {once} times for what a cache had");
    let head = head(&rack, folder, &first.name)?;
    for line in ["cache-control: public, max-age=31536000, immutable", "x-cache: hit"] {
        ensure!(head.contains(line), "no {line:?} in {head}");
    }
    // A part of a chunk is given from the whole one.
    let part = rack.program("curl").words("-sS --fail -r 5-8 -o part").folder(folder);
    part.args([url(&first.name)]).run()?;
    ensure!(fs::read(folder.join("part"))? == fs::read(&first.path)?[5..9], "another part");

    let mut bytes = fs::read(&rotten.path)?;
    bytes[100] ^= 1;
    fs::write(&rotten.path, &bytes)?;
    ensure!(agents_fetch(&rack, rotten)?.is_none(), "a chunk that rotted was given away");
    ensure!(asked("status=\"503\"")? >= 1.0, "it was refused for another reason");
    bytes[100] ^= 1;
    fs::write(&rotten.path, &bytes)?;
    ensure!(agents_fetch(&rack, rotten)? == Some(bytes), "that it could not be had was kept");
    let nothing = Chunk { name: "00".repeat(32), path: PathBuf::new() };
    ensure!(agents_fetch(&rack, &nothing)?.is_none(), "there is no such chunk");

    service.kill();
    ensure!(agents_fetch(&rack, first)? == Some(fs::read(&first.path)?), "the cache forgot it");
    ensure!(agents_fetch(&rack, second)?.is_none(), "nobody can have fetched this one");
    drop(nginx);
    Ok(())
}

fn without_a_cache_nothing_leaves(folder: &Path) -> Result<()> {
    let (service, client) = pair(folder, NETWORK)?;
    client.ip("addr add 10.77.0.3/24 dev lan0")?;
    for chunk in import(&service)? {
        let curl = client.program("curl").words("-sS -o /dev/null -w %{http_code}").folder(folder);
        let status = curl.args([format!("http://{SERVER}:8080/boot/chunks/{}", chunk.name)]).run()?;
        ensure!(status == "404", "{status} for a chunk that was known by name");
    }
    Ok(())
}

/// A chunk in the service's store.
struct Chunk {
    name: String,
    path: PathBuf,
}

/// Imports an image without a pattern; its chunks, the largest first.
fn import(service: &Service) -> Result<Vec<Chunk>> {
    let (folder, mut state) = (service.folder(), 0x9E37_79B9_7F4A_7C15_u64);
    let mut bytes = Vec::with_capacity(IMAGE_BYTES);
    while bytes.len() < IMAGE_BYTES {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(IMAGE_BYTES);
    let file = folder.join("image.raw");
    fs::write(&file, &bytes)?;
    let digest = hex::encode(Sha256::digest(&bytes));
    service.billet(&format!(
        "image import {} --name noise --format raw --digest sha256:{digest}",
        file.to_str().context("a path that is no text")?
    ))?;
    let mut chunks = Vec::new();
    for folder in fs::read_dir(folder.join("data/images/chunks"))? {
        for file in fs::read_dir(folder?.path())? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).context("a name that is no text")?;
            chunks.push(Chunk { name: name.to_owned(), path });
        }
    }
    chunks.sort_by_key(|chunk| std::cmp::Reverse(fs::metadata(&chunk.path).map_or(0, |found| found.len())));
    Ok(chunks)
}

/// The documented cache, with the addresses and folders of this test.
fn nginx(host: &Namespace, folder: &Path) -> Result<Process> {
    let documented = include_str!("../../../docs/nginx-cache.conf");
    let own = folder.to_str().context("a path that is no text")?;
    let here = documented
        .replace("10.0.0.1:8080", &format!("{SERVER}:8080"))
        .replace("/var/cache/nginx/billet", &format!("{own}/cached"));
    ensure!(here.matches(own).count() == 1, "the example has another folder now");
    let spools: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {own}/nginx-{kind};\n"))
        .concat();
    // One process, so that none is left when it is killed.
    let config = format!(
        "user root;\ndaemon off;\nmaster_process off;\npid {own}/nginx.pid;\nerror_log {own}/nginx.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{spools}{here}}}\n"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, config)?;
    let said = fs::File::create(folder.join("nginx.out"))?;
    let mut nginx = host.program("nginx").words("-c").args([&path]).start_into(said)?;
    until("nginx answers", || {
        ensure!(nginx.runs()?, "nginx ended: {}", fs::read_to_string(folder.join("nginx.out"))?);
        Ok(host.program("curl").words("-sS -o /dev/null").args([CACHE]).run().ok())
    })?;
    Ok(nginx)
}

/// What an agent gets for this chunk from the cache.
fn agents_fetch(host: &Namespace, chunk: &Chunk) -> Result<Option<Vec<u8>>> {
    let name = chunk.name.clone();
    host.inside(move || {
        let authority = rcgen::generate_simple_self_signed(["billet".to_owned()])?;
        let agent = AgentClient::new("https://10.77.0.1:7443", authority.cert.pem().as_bytes())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let fetched = runtime.block_on(agent.cached(CACHE, &name, 8 << 20));
        Ok(fetched.ok().map(Into::into))
    })
}

/// The head of the cache's answer, in small letters.
fn head(host: &Namespace, folder: &Path, name: &str) -> Result<String> {
    let curl = host.program("curl").words("-sS --fail -D - -o /dev/null").folder(folder);
    Ok(curl.args([url(name)]).run()?.to_ascii_lowercase())
}

fn url(name: &str) -> String {
    format!("{CACHE}/boot/chunks/{name}")
}
