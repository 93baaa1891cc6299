//! What the BMC knows of the parts: field replaceable units (FRU).

use crate::BmcError;
use async_trait::async_trait;

/// A BMC that knows serial numbers and the like.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// All units. One that can't be read is there, with the reason among its problems.
    async fn units(&self) -> Result<Vec<Fru>, BmcError>;
}

/// A field replaceable unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fru {
    /// Its number at the BMC.
    pub id: u8,
    /// Its name, such as `Builtin FRU Device`.
    pub name: String,
    /// Its areas with their fields, in the order of the specification: chassis, board, product.
    pub areas: Vec<FruArea>,
    /// What was wrong with its data: what could be read is in `areas` all the same.
    pub problems: Vec<String>,
}

/// An area of a unit's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FruArea {
    /// `chassis`, `board` or `product`.
    pub kind: &'static str,
    /// Its fields.
    pub fields: Vec<FruField>,
}

/// A field of an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FruField {
    /// `type`, `manufacturer`, `name`, `part-number`, `version`, `serial`, `asset-tag`, `file-id`, `made`, `extra`.
    pub name: &'static str,
    /// Its text, without what can't be printed.
    pub value: String,
}
