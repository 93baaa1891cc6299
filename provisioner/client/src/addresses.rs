//! The address plan: what is taken of it, and virtual addresses.

use crate::{Client, ClientError, answer};
use provisioner_api::{Address, AddressClaim, AddressList, paths};
use reqwest::Method;

impl Client {
    /// The addresses that are taken, in their order: all of them, page by page.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn addresses(&self) -> Result<Vec<Address>, ClientError> {
        self.all::<AddressList>(paths::ADDRESSES, &[], &[], None).await
    }

    /// A virtual address by its name.
    pub async fn address(&self, name: &str) -> Result<Address, ClientError> {
        answer::json(self.request(Method::GET, paths::ADDRESS, &[name])?).await
    }

    /// Claims a virtual address. The same name again answers the address that it has.
    pub async fn claim_address(&self, claim: &AddressClaim) -> Result<Address, ClientError> {
        answer::json(self.request(Method::POST, paths::ADDRESSES, &[])?.json(claim)).await
    }

    /// Releases a virtual address that no instance uses.
    pub async fn release_address(&self, name: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, paths::ADDRESS, &[name])?).await.map(drop)
    }
}
