//! Whose requests they are: the credentials that they bear, as far as the ledger may tell, and which
//! ones are known to work. A 401 means something else to those than to a mistyped password.

use crate::model::secret::{SecretKey, SecretText};
use serde::{Deserialize, Serialize};

const CONTEXT: &str = "filbert 2026 credentials in the ledger of accounts";
/// So many that worked are remembered: a server may give each program a password of its own.
const MOST: usize = 8;

/// Credentials as the ledger knows them: 16 bits of a salted hash. That tells a mistyped password
/// from one that worked, and confirms no guess to somebody who reads the ledger: of 65,536 passwords
/// one passes for the right one, and only as far as to be waited for like it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login(pub(super) u16);

/// What makes one ledger's hashes differ from another's.
pub(super) type Salt = [u8; 16];

/// The user and the password that requests bear, or that they bear none. Holds neither.
#[derive(Debug, Clone)]
pub struct Credentials(SecretKey);

impl Credentials {
    /// Of a user with a password.
    pub fn new(user: &str, password: &SecretText) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&(user.len() as u64).to_le_bytes());
        hasher.update(user.as_bytes());
        hasher.update(password.expose().as_bytes());
        let key = Self(SecretKey::new(*hasher.finalize().as_bytes()));
        zeroize::Zeroize::zeroize(&mut hasher);
        key
    }

    /// Of requests without any.
    pub fn none() -> Self {
        Self(SecretKey::new([0; 32]))
    }

    pub(super) fn login(&self, salt: &Salt) -> Login {
        let hash = blake3::keyed_hash(self.0.expose(), salt);
        Login(hash.as_bytes().first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes)))
    }
}

/// The credentials that worked, the latest last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Logins(Vec<Known>);

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Known {
    login: Login,
    /// Refusals in a row that were all of the password.
    denials: u32,
}

impl Logins {
    pub fn knows(&self, login: Login) -> bool {
        self.0.iter().any(|known| known.login == login)
    }

    /// It worked just now.
    pub fn accepted(&mut self, login: Login) {
        self.forget(login);
        self.0.push(Known { login, denials: 0 });
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }

    /// It was refused; tells how often in a row. None if it never worked.
    pub fn denied(&mut self, login: Login) -> Option<u32> {
        let known = self.0.iter_mut().find(|known| known.login == login)?;
        known.denials = known.denials.saturating_add(1);
        Some(known.denials)
    }

    /// Something else than the password was refused.
    pub fn end_rows(&mut self) {
        self.0.iter_mut().for_each(|known| known.denials = 0);
    }

    pub fn forget(&mut self, login: Login) {
        self.0.retain(|known| known.login != login);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_password_and_salt_all_count_and_nothing_shows() {
        let of =
            |user: &str, password: &str, salt| Credentials::new(user, &password.into()).login(&[salt; 16]);
        let one = of("user", "password", 1);
        assert_eq!(one, of("user", "password", 1));
        for other in
            [of("user", "passwort", 1), of("userp", "assword", 1), of("user", "password", 2), of("", "", 1)]
        {
            assert_ne!(one, other);
        }
        assert_eq!(
            format!("{:?}", Credentials::new("user", &"hunter2".into())),
            "Credentials(SecretKey(..))"
        );
    }

    #[test]
    fn the_latest_that_worked_are_known() {
        let mut logins = Logins::default();
        (0..9).for_each(|login| logins.accepted(Login(login)));
        assert!(!logins.knows(Login(0)) && logins.knows(Login(1)) && logins.knows(Login(8)));
        logins.accepted(Login(1));
        logins.accepted(Login(9));
        assert!(!logins.knows(Login(2)) && logins.knows(Login(1)));
    }
}
