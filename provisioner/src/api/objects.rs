//! Reads an object of JSON from nothing but an object, however deep it stands. Serde's derived code reads a list as an
//! object's fields in their order too, which nobody means, and by which a field gets what was meant for another.

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, Expected, MapAccess, SeqAccess, VariantAccess, Visitor},
};
use std::fmt;

/// What somebody is told who sent a list.
const LIST: &str = "it is a list, and has to be an object: `{…}` with fields by their names";

/// How serde's derived code calls an enum whose variant is named by a field: it asks for anything, and takes a list too.
const TAGGED: &str = "internally tagged enum";

/// A deserializer, a seed, or what gives access to their parts, that reads objects from objects alone.
pub(super) struct Objects<T>(pub(super) T);

/// A visitor, and whether what it makes is an object.
struct Looks<V> {
    inner: V,
    object: bool,
}

/// Methods that read no object.
macro_rules! plainly {
    ($($method:ident($($name:ident: $of:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $of,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Looks { inner: visitor, object: false })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    plainly! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Looks { inner: visitor, object: true })
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Values without parts.
macro_rules! values {
    ($($method:ident($of:ty);)*) => {$(
        fn $method<E: Error>(self, value: $of) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Looks<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    values! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Objects(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Objects(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.object || (&self.inner as &dyn Expected).to_string().starts_with(TAGGED) {
            return Err(Error::custom(LIST));
        }
        self.inner.visit_seq(Objects(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Objects(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Objects(data))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, variant) = self.0.variant_seed(seed)?;
        Ok((name, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Objects(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Looks { inner: visitor, object: false })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Looks { inner: visitor, object: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, de::DeserializeOwned};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: u8,
        b: u8,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Inner);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Plain {
        One,
        Of(Inner),
        With { a: u8 },
        Pair(u8, u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case", tag = "do")]
    enum Tagged {
        Nothing,
        Wipe { disks: Vec<String> },
    }

    /// Whether it is read, and whether serde alone reads it.
    fn read<T: DeserializeOwned>(text: &str) -> (bool, bool) {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = T::deserialize(Objects(&mut json));
        if let Err(error) = &read {
            assert!(error.to_string().starts_with(LIST), "{text}: {error}");
        }
        (read.is_ok(), serde_json::from_str::<T>(text).is_ok())
    }

    #[test]
    fn lists_are_no_objects_at_any_depth() {
        const GOOD: (bool, bool) = (true, true);
        const LIST: (bool, bool) = (false, true);
        assert_eq!(read::<Inner>(r#"{"a":1,"b":2}"#), GOOD);
        assert_eq!(read::<Inner>("[1,2]"), LIST);
        assert_eq!(read::<Option<Inner>>("[1,2]"), LIST);
        assert_eq!(read::<Option<Inner>>("null"), GOOD);
        assert_eq!(read::<Box<Wrapped>>("[1,2]"), LIST);
        assert_eq!(read::<Vec<Inner>>(r#"[{"a":1,"b":2},{"b":2,"a":1}]"#), GOOD);
        assert_eq!(read::<Vec<Inner>>(r#"[{"a":1,"b":2},[1,2]]"#), LIST);
        assert_eq!(read::<std::collections::BTreeMap<String, Inner>>(r#"{"x":[1,2]}"#), LIST);
        assert_eq!(read::<(u8, Inner)>("[1,[1,2]]"), LIST);
        assert_eq!(read::<Plain>(r#""one""#), GOOD);
        assert_eq!(read::<Plain>(r#"{"of":{"a":1,"b":2}}"#), GOOD);
        assert_eq!(read::<Plain>(r#"{"of":[1,2]}"#), LIST);
        assert_eq!(read::<Plain>(r#"{"with":{"a":1}}"#), GOOD);
        assert_eq!(read::<Plain>(r#"{"with":[1]}"#), LIST);
        assert_eq!(read::<Plain>(r#"{"pair":[1,2]}"#), GOOD);
        assert_eq!(read::<Vec<Tagged>>(r#"[{"do":"nothing"},{"do":"wipe","disks":["a"]}]"#), GOOD);
        assert_eq!(read::<Vec<Tagged>>(r#"[["wipe",["a"]]]"#), LIST);
        assert_eq!(read::<serde_json::Value>(r#"[1,[{"a":[null,1.5,true,"x"]}]]"#), GOOD);
    }

    #[test]
    fn what_is_read_is_the_same() {
        let mut json = serde_json::Deserializer::from_str(r#"{"do":"wipe","disks":["a","b"]}"#);
        let read = Tagged::deserialize(Objects(&mut json)).unwrap();
        assert_eq!(read, Tagged::Wipe { disks: vec!["a".to_owned(), "b".to_owned()] });
        let mut json = serde_json::Deserializer::from_str(r#"{"of":{"b":2,"a":1}}"#);
        assert_eq!(Plain::deserialize(Objects(&mut json)).unwrap(), Plain::Of(Inner { a: 1, b: 2 }));
    }
}
