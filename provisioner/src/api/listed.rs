//! A list as an answer whose items are made while it is written: none of them is kept, and nothing is as large as all.
//!
//! On the wire it is what the list's own type is (`MachineList`).

use serde::{
    Serialize,
    ser::{Error as _, SerializeSeq, Serializer},
};
use std::fmt::Display;

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Listed<T> {
    /// What there is.
    pub(super) items: T,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// From where on the list can be watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resume: Option<String>,
}

/// Items that are made one after the other while they are written.
pub(super) struct OneByOne<F>(F);

impl<F, I> OneByOne<F>
where
    F: Fn() -> I,
{
    /// Of what this goes through.
    pub(super) fn new(all: F) -> Self {
        Self(all)
    }
}

impl<F, I, T, E> Serialize for OneByOne<F>
where
    F: Fn() -> I,
    I: Iterator<Item = Result<T, E>>,
    T: Serialize,
    E: Display,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(None)?;
        for item in (self.0)() {
            items.serialize_element(&item.map_err(S::Error::custom)?)?;
        }
        items.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner_api::MachineList;

    #[test]
    fn it_is_the_list_that_its_type_describes() {
        for (next, resume) in [(None, None), (Some("m7"), Some("1-2"))] {
            let (next, resume) = (next.map(str::to_owned), resume.map(str::to_owned));
            let items = OneByOne::new(std::iter::empty::<Result<u8, String>>);
            let listed = Listed { items, next: next.clone(), resume: resume.clone() };
            let list = MachineList { items: Vec::new(), next, resume };
            assert_eq!(serde_json::to_string(&listed).unwrap(), serde_json::to_string(&list).unwrap());
        }
        let some = Listed {
            items: OneByOne::new(|| [Ok::<_, String>(1), Ok(2)].into_iter()),
            next: None,
            resume: None,
        };
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"{"items":[1,2]}"#);
    }

    #[test]
    fn what_cannot_be_made_is_no_end_of_the_list() {
        let items = OneByOne::new(|| [Ok(1), Err("column m_name: it holds something else")].into_iter());
        let error = serde_json::to_string(&Listed { items, next: None, resume: None }).unwrap_err();
        assert!(error.to_string().contains("m_name"), "{error}");
    }
}
