//! Local users, and who one is oneself.

use crate::{Client, ClientError, answer};
use provisioner_api::{
    LoggedIn, Login, PasswordChange, User, UserCreate, UserList, UserUpdate, WhoAmI, paths,
};
use reqwest::Method;

impl Client {
    /// The users, by name.
    ///
    /// # Errors
    /// See `ClientError`; so for every method below.
    pub async fn users(&self) -> Result<Vec<User>, ClientError> {
        let list: UserList = answer::json(self.request(Method::GET, paths::USERS, &[])?).await?;
        Ok(list.items)
    }

    /// A user.
    pub async fn user(&self, name: &str) -> Result<User, ClientError> {
        answer::json(self.request(Method::GET, paths::USER, &[name])?).await
    }

    /// Makes a user.
    pub async fn create_user(&self, user: &UserCreate) -> Result<User, ClientError> {
        answer::json(self.request(Method::POST, paths::USERS, &[])?.json(user)).await
    }

    /// Changes a user, which ends their log-ins.
    pub async fn update_user(&self, name: &str, update: &UserUpdate) -> Result<User, ClientError> {
        answer::json(self.request(Method::PATCH, paths::USER, &[name])?.json(update)).await
    }

    /// Takes a user away.
    pub async fn delete_user(&self, name: &str) -> Result<(), ClientError> {
        answer::send(self.request(Method::DELETE, paths::USER, &[name])?).await.map(drop)
    }

    /// Logs a user in. The secret is in the answer and nowhere else. The client's own token, if it has any, is not looked at.
    pub async fn login(&self, login: &Login) -> Result<LoggedIn, ClientError> {
        answer::json(self.request(Method::POST, paths::LOGIN, &[])?.json(login)).await
    }

    /// Changes the password of who is logged in. All their log-ins end, this one too; a new one is in the answer.
    pub async fn change_password(&self, change: &PasswordChange) -> Result<LoggedIn, ClientError> {
        answer::json(self.request(Method::POST, paths::PASSWORD, &[])?.json(change)).await
    }

    /// Ends the log-in whose token this client has.
    pub async fn logout(&self) -> Result<(), ClientError> {
        answer::send(self.request(Method::POST, paths::LOGOUT, &[])?).await.map(drop)
    }

    /// Who this client's token makes one.
    pub async fn whoami(&self) -> Result<WhoAmI, ClientError> {
        answer::json(self.request(Method::GET, paths::WHOAMI, &[])?).await
    }
}
