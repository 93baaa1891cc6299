//! What `billet apply` reads: files in which pools, networks, reservations, images, machines and instances are declared.
//!
//! - `object`: what may be declared, and the values in it, each checked while it is read;
//! - `yaml`, `table`: the two kinds of files (YAML; CSV), a row of a CSV file being read by `cell`;
//! - `check`: what can't be so among several objects.
//!
//! All mistakes are collected, each with the place where it was made. Nothing is asked of the service here, and no file
//! that an object names (an image, a password) is opened.

mod cell;
mod check;
mod object;
mod table;
mod yaml;

pub(super) use object::{
    ImageDoc, InstanceDoc, MachineDoc, MinimumDoc, NetworkDoc, PoolDoc, ReservationDoc, Switch,
};

use super::{environment::Environment, error::CliError};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

/// The most that a file may hold, in bytes.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// The most objects that are taken at once.
const MOST_OBJECTS: usize = 10_000;

/// So many mistakes are told; the rest is counted.
const MOST_FAULTS: usize = 50;

/// Where something was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, or `standard input`.
    pub(super) file: Rc<PathBuf>,
    /// The line, from 1.
    pub(super) line: u64,
}

impl Place {
    /// A file that an object names: what is not absolute counts from the folder of the file that names it.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where.
    pub(super) place: Place,
    /// Which field, unless the sentence names it.
    pub(super) field: String,
    /// What is wrong, and what would be right.
    pub(super) why: String,
}

impl Fault {
    /// A mistake in a field.
    pub(super) fn new(place: &Place, field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.clone(), field: field.into(), why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)
    }
}

/// The refusal of files with mistakes: all of them, up to a bound. Nothing was changed.
pub(super) fn refusal(faults: &[Fault]) -> CliError {
    let mut lines: Vec<_> = faults.iter().take(MOST_FAULTS).map(ToString::to_string).collect();
    if faults.len() > MOST_FAULTS {
        lines.push(format!("and {} more", faults.len() - MOST_FAULTS));
    }
    CliError::Input(format!("nothing was changed, because of {}:\n{}", count(faults.len()), lines.join("\n")))
}

fn count(number: usize) -> String {
    if number == 1 { "a mistake".to_owned() } else { format!("{number} mistakes") }
}

/// What is declared.
#[derive(Debug, Clone)]
pub(super) enum Object {
    /// A pool.
    Pool(PoolDoc),
    /// A network.
    Network(Box<NetworkDoc>),
    /// A machine.
    Machine(Box<MachineDoc>),
    /// An instance.
    Instance(Box<InstanceDoc>),
    /// An image.
    Image(Box<ImageDoc>),
    /// A reservation.
    Reservation(ReservationDoc),
}

/// Something that is declared, and where.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// Where.
    pub(super) place: Place,
    /// What.
    pub(super) object: Object,
}

/// What was read: objects and mistakes.
#[derive(Debug, Default)]
struct Read {
    objects: Vec<Declared>,
    faults: Vec<Fault>,
}

impl Read {
    /// Takes down an object. What is reserved on a network follows it, as if it was declared by itself.
    fn push(&mut self, place: Place, mut object: Object) {
        let reserved = match &mut object {
            Object::Network(network) => network.reservations(),
            _ => Vec::new(),
        };
        let all = std::iter::once(object).chain(reserved.into_iter().map(Object::Reservation));
        self.objects.extend(all.map(|object| Declared { place: place.clone(), object }));
    }
}

/// Reads all files, and folders of them.
///
/// # Errors
/// When one can't be read, or all mistakes that are in them.
pub(super) fn read(paths: &[PathBuf], environment: &Environment) -> Result<Vec<Declared>, CliError> {
    let mut read = Read::default();
    for path in paths {
        if path == Path::new("-") {
            let text =
                (environment.input)().map_err(|source| unreadable(Path::new("standard input"), source))?;
            // What is longer was cut off, and would be taken for the whole.
            if text.len() as u64 >= super::environment::INPUT_LIMIT {
                return Err(CliError::Input("standard input is longer than 1 MiB; name a file".to_owned()));
            }
            yaml::read(&mut read, &Rc::new("standard input".into()), &text);
            continue;
        }
        for file in files(path)? {
            read_file(&mut read, file)?;
        }
    }
    if read.objects.len() > MOST_OBJECTS {
        let why = format!("these are {} objects; {MOST_OBJECTS} are the most at once", read.objects.len());
        return Err(CliError::Input(why));
    }
    if read.objects.is_empty() && read.faults.is_empty() {
        return Err(CliError::Input("nothing is declared in these files".to_owned()));
    }
    check::check(&mut read);
    if read.faults.is_empty() { Ok(read.objects) } else { Err(refusal(&read.faults)) }
}

fn unreadable(path: &Path, source: io::Error) -> CliError {
    CliError::File { what: "read", path: path.to_owned(), source }
}

/// How a file is read, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Yaml,
    Table,
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some(Kind::Yaml),
        "csv" => Some(Kind::Table),
        _ => None,
    }
}

/// A file itself, or those of a folder in the order of their names; folders within it are left out.
fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| unreadable(path, source))? {
        let file = entry.map_err(|source| unreadable(path, source))?.path();
        found.extend(Some(file).filter(|file| kind(file).is_some() && file.is_file()));
    }
    if found.is_empty() {
        let path = path.display();
        return Err(CliError::Input(format!("the folder {path} holds no .yaml, .yml or .csv file")));
    }
    found.sort();
    Ok(found)
}

fn read_file(read: &mut Read, path: PathBuf) -> Result<(), CliError> {
    let kind = kind(&path).ok_or_else(|| {
        let path = path.display();
        CliError::Input(format!(
            "{path} is named neither .yaml, .yml nor .csv; rename it, so that it is known what it is"
        ))
    })?;
    let length = fs::metadata(&path).map_err(|source| unreadable(&path, source))?.len();
    if length > FILE_LIMIT {
        return Err(CliError::Input(format!(
            "{} is larger than 16 MiB; that can't be right",
            path.display()
        )));
    }
    let text = fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
    let file = Rc::new(path);
    match kind {
        Kind::Yaml => yaml::read(read, &file, &text),
        Kind::Table => table::read(read, &file, &text),
    }
    Ok(())
}

/// A machine `m1` of which this YAML says more.
#[cfg(test)]
pub(super) fn read_machine(text: &str) -> MachineDoc {
    let mut all = Read::default();
    yaml::read(&mut all, &Rc::new("f.yaml".into()), &format!("kind: machine\nname: m1\n{text}"));
    assert_eq!(all.faults, []);
    match all.objects.remove(0).object {
        Object::Machine(machine) => *machine,
        other => panic!("{other:?}"),
    }
}

/// A pool `racks` of which this YAML says more.
#[cfg(test)]
pub(super) fn read_pool(text: &str) -> PoolDoc {
    let mut all = Read::default();
    yaml::read(&mut all, &Rc::new("f.yaml".into()), &format!("kind: pool\nname: racks\n{text}"));
    assert_eq!(all.faults, []);
    match all.objects.remove(0).object {
        Object::Pool(pool) => pool,
        other => panic!("{other:?}"),
    }
}

/// An instance `web` of image `debian-12` of which this YAML says more.
#[cfg(test)]
pub(super) fn read_instance(text: &str) -> InstanceDoc {
    let mut all = Read::default();
    let text = format!("kind: instance\nname: web\n{text}");
    yaml::read(&mut all, &Rc::new("f.yaml".into()), &text);
    assert_eq!(all.faults, []);
    match all.objects.remove(0).object {
        Object::Instance(instance) => *instance,
        other => panic!("{other:?}"),
    }
}
