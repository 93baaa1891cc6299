//! Certificates of erasure: what they say (`text`), who signs them (`key`), and whether one is good (`verify`).
//!
//! They are made by the store, in the transaction that ends a wiping (`store/erasure`). Deliberately not here: what proves a
//! wiping, which is the lifecycle's (`Wiped`).

mod key;
mod text;
mod verify;

pub(crate) use key::{ErasureSigner, SignError, key_id, to_pem};
pub(crate) use text::certificate;
pub(crate) use verify::{LARGEST, NotGood, verify};

#[cfg(test)]
mod tests;
