//! A pool that is declared, and what differs from what is said of it.

use super::plan::{self, Planned, Step};
use crate::cli::{
    command::Session,
    error::CliError,
    manifest::{Fault, Place, PoolDoc},
    view::word,
};
use provisioner_api::{ErasePolicy, Pool, PoolCreate, PoolSpec, PoolUpdate, etag};

/// What is to be done, or what is wrong.
pub(super) async fn plan(
    session: &Session<'_>,
    place: &Place,
    doc: &PoolDoc,
) -> Result<Result<Planned, Fault>, CliError> {
    let name = doc.name.0.as_str();
    let before = plan::found(session.client.pool(name).await)?;
    let Some(Pool { id, version, spec: Some(spec), .. }) = before else {
        // Nothing is said of it yet, though machines may name it.
        let (create, changes) = create(doc);
        return Ok(Ok(Planned::created("pool", name, changes, Step::CreatePool { create })));
    };
    let (Some(id), Some(version)) = (id, version) else {
        let why = format!(
            "the service is too old to change pool {name} only as it was seen; upgrade it, or use `billet pool set {name}`"
        );
        return Ok(Err(Fault::new(place, "name", why)));
    };
    let (update, changes) = update(doc, &spec);
    if changes.is_empty() {
        return Ok(Ok(Planned::unchanged("pool", name)));
    }
    let step = Step::ChangePool { name: name.to_owned(), seen: etag(id, version), update };
    Ok(Ok(Planned::changed("pool", name, changes, step)))
}

fn least(erase: Option<ErasePolicy>) -> String {
    erase.map_or_else(|| "none".to_owned(), word)
}

fn most(number: Option<u32>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

fn description(text: Option<&str>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("\"{text}\""))
}

/// What is declared of it in words; an empty text: none.
fn declared(doc: &PoolDoc) -> Option<Option<String>> {
    let text = doc.description.as_ref()?.0.clone();
    Some(Some(text).filter(|text| !text.is_empty()))
}

/// The request that gives a pool its policy, and what that is, field by field.
fn create(doc: &PoolDoc) -> (PoolCreate, Vec<String>) {
    let create = PoolCreate {
        name: doc.name.0.clone(),
        description: declared(doc).flatten(),
        erase: doc.erase.as_ref().and_then(|erase| erase.0),
        max_machines: doc.max_machines.as_ref().and_then(|most| most.0),
    };
    let text = create.description.as_deref().map(|text| format!("description {}", description(Some(text))));
    let erase = create.erase.map(|erase| format!("erase {}", word(erase)));
    let number = create.max_machines.map(|number| format!("max_machines {number}"));
    (create, [text, erase, number].into_iter().flatten().collect())
}

/// The request that changes what differs, and what that is, field by field.
fn update(doc: &PoolDoc, before: &PoolSpec) -> (PoolUpdate, Vec<String>) {
    let update = PoolUpdate {
        description: declared(doc).filter(|new| *new != before.description),
        erase: doc.erase.as_ref().map(|erase| erase.0).filter(|new| *new != before.erase),
        max_machines: doc.max_machines.as_ref().map(|most| most.0).filter(|new| *new != before.max_machines),
    };
    let text = update.description.as_ref().map(|new| {
        let old = description(before.description.as_deref());
        format!("description {old} → {}", description(new.as_deref()))
    });
    let erase = update.erase.map(|new| format!("erase {} → {}", least(before.erase), least(new)));
    let number =
        update.max_machines.map(|new| format!("max_machines {} → {}", most(before.max_machines), most(new)));
    (update, [text, erase, number].into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manifest::read_pool;

    #[test]
    fn what_is_not_said_stays_and_what_differs_is_told_field_by_field() {
        let before = PoolSpec {
            description: Some("racks".into()),
            erase: Some(ErasePolicy::Overwrite),
            max_machines: None,
        };
        for (text, want) in [
            ("", &[][..]),
            ("description: racks\nerase: overwrite\nmax_machines: none\n", &[]),
            ("description: ''\n", &["description \"racks\" → none"]),
            ("erase: none\nmax_machines: 0\n", &["erase overwrite → none", "max_machines none → 0"]),
            ("erase: metadata\n", &["erase overwrite → metadata"]),
        ] {
            let (update, changes) = update(&read_pool(text), &before);
            assert_eq!(changes, want, "{text}");
            assert_eq!(update == PoolUpdate::default(), changes.is_empty(), "{text}");
        }
        let (create, said) = create(&read_pool("erase: overwrite\nmax_machines: none\ndescription: ''\n"));
        assert_eq!(
            (create.max_machines, create.description, said),
            (None, None, vec!["erase overwrite".into()])
        );
    }
}
