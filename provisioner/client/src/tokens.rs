//! API tokens.

use crate::{Client, ClientError, answer};
use provisioner_api::{Token, TokenCreate, TokenCreated, TokenList, paths};
use reqwest::Method;

impl Client {
    /// The API tokens, by name.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        let list: TokenList = answer::json(self.request(Method::GET, paths::TOKENS, &[])?).await?;
        Ok(list.items)
    }

    /// Makes a token. Its secret is in the answer and nowhere else.
    pub async fn create_token(&self, token: &TokenCreate) -> Result<TokenCreated, ClientError> {
        answer::json(self.request(Method::POST, paths::TOKENS, &[])?.json(token)).await
    }

    /// Takes a token away.
    pub async fn revoke_token(&self, name: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, paths::TOKEN, &[name])?).await.map(drop)
    }
}
