//! A row of a CSV file as serde reads it: each column is a field, each cell its text. The objects are those of YAML, so
//! that both kinds of files take and refuse the same values.
//!
//! A mistake names its column. Serde stops at the first: it is taken down, its cell is left out, and the row is read again.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use std::fmt;

/// What is wrong with a row: the column, and why.
pub(super) type Wrong = Vec<(String, String)>;

/// A cell that says something.
#[derive(Debug, Clone, Copy)]
struct Cell<'a> {
    title: &'a str,
    text: &'a str,
}

/// Reads an object of its cells, or tells all that is wrong with it.
pub(super) fn read<T: DeserializeOwned>(cells: &[(&str, &str)]) -> Result<T, Wrong> {
    let mut cells: Vec<_> = cells.iter().map(|&(title, text)| Cell { title, text }).collect();
    let mut wrong = Wrong::new();
    loop {
        match T::deserialize(Row(&cells)) {
            Ok(object) if wrong.is_empty() => return Ok(object),
            Ok(_) => return Err(wrong),
            Err(Mistake { title: Some(title), why }) => {
                cells.retain(|cell| cell.title != title);
                wrong.push((title, why));
            }
            // A field that is needed is not there: perhaps because its cell was left out.
            Err(Mistake { title: None, why }) => {
                let missing = why.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
                match missing {
                    Some(title) if wrong.iter().any(|(told, _)| told == title) => {}
                    Some(title) => wrong.push((title.to_owned(), "this cell is missing".to_owned())),
                    None => wrong.push((String::new(), why)),
                }
                return Err(wrong);
            }
        }
    }
}

/// Why a row can't be read.
#[derive(Debug)]
struct Mistake {
    title: Option<String>,
    why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { title: None, why: why.to_string() }
    }
}

impl Mistake {
    /// Made in this column.
    fn of(self, title: &str) -> Self {
        Self { title: self.title.or_else(|| Some(title.to_owned())), ..self }
    }
}

/// The cells of a row. Those named `a.b` are the fields `b` of a field `a`.
struct Row<'a>(&'a [Cell<'a>]);

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let mut fields: Vec<(&str, Field<'_>)> = Vec::new();
        for cell in self.0 {
            let Some((outer, inner)) = cell.title.split_once('.') else {
                fields.push((cell.title, Field::Cell(*cell)));
                continue;
            };
            let within = (inner, *cell);
            match fields.iter_mut().find(|(name, _)| *name == outer) {
                Some((_, Field::Within(cells))) => cells.push(within),
                _ => fields.push((outer, Field::Within(vec![within]))),
            }
        }
        visitor.visit_map(MapDeserializer::new(fields.into_iter()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A field: a cell, or the cells of those within it.
enum Field<'a> {
    Cell(Cell<'a>),
    Within(Vec<(&'a str, Cell<'a>)>),
}

impl<'de> IntoDeserializer<'de, Mistake> for Field<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for Cell<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self {
            Self::Cell(cell) => cell.deserialize_any(visitor),
            Self::Within(cells) => visitor.visit_map(MapDeserializer::new(cells.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self {
            Self::Cell(cell) => cell.deserialize_seq(visitor),
            within => within.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> Deserializer<'de> for Cell<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.text).map_err(|mistake: Mistake| mistake.of(self.title))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_some(self)
    }

    /// Several values are separated by spaces; SSH keys, which have some, by lines.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        let Self { title, text } = self;
        let parts: Vec<_> = match title {
            "ssh_keys" => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
            _ => text.split_whitespace().collect(),
        };
        let cells = parts.into_iter().map(|text| Cell { title, text });
        visitor.visit_seq(SeqDeserializer::new(cells)).map_err(|mistake: Mistake| mistake.of(title))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct enum identifier ignored_any
    }
}
