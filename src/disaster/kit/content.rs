//! What stands in a kit, whichever form it takes.

use super::{Authority, Certificate, KitError, KitOptions};
use crate::format::names::RecordName;
use crate::format::recovery_key::RecoveryKey;
use crate::model::path::display_bytes;
use crate::model::set::SetId;
use crate::model::time::Timestamp;
use crate::repository::Repository;
use std::collections::BTreeMap;

/// So many sets are named; a page has room for no more.
const MOST_SETS: usize = 8;
/// What the file with the certificates is called on a fresh machine.
pub(super) const CA_FILE: &str = "filbert-ca.pem";

/// All that a kit tells.
#[derive(Debug, Clone)]
pub struct Kit {
    /// Where the repository is, without user and password.
    pub address: String,
    /// The user on the server.
    pub user: Option<String>,
    /// How the server is shown the password, where it is not found out.
    pub auth: Option<String>,
    /// The address is plain http to another machine.
    pub allow_http: bool,
    /// What the server's certificate is checked against, beside what a system knows.
    pub authority: Option<Authority>,
    /// The repository's id.
    pub repository: String,
    /// When the kit was made, RFC 3339.
    pub made: String,
    /// The program that made it.
    pub program: String,
    /// Where the key is in force; none before it is.
    pub place: Option<KeyPlace>,
    /// The key.
    pub key: RecoveryKey,
    /// The newest record of the log.
    pub last_record: Option<LastRecord>,
    /// The id of the newest snapshot.
    pub newest_snapshot: Option<String>,
    /// The sets, the one backed up last first.
    pub sets: Vec<SetLine>,
    /// So many sets are not named.
    pub more_sets: usize,
}

/// Where a key is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The key's name in `filbert kit --list`.
    pub id: String,
    /// The generation of the first descriptor that has it.
    pub generation: u32,
}

/// The newest record of the log when the kit was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRecord {
    /// The hash of its bytes.
    pub hash: String,
    /// When it was made, RFC 3339.
    pub time: String,
}

/// A set and how to restore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLine {
    /// What it is, fit for people.
    pub shown: String,
    /// The command.
    pub restore: String,
}

impl Kit {
    /// Gathers what the local state knows of the repository.
    pub(super) fn of(
        repository: &Repository,
        key: &RecoveryKey,
        options: &KitOptions,
    ) -> Result<Self, KitError> {
        let pem = options.connection.ca_pem.as_deref();
        let authority = pem.map(|pem| Authority::read(pem).ok_or(KitError::Certificates)).transpose()?;
        let records = repository.known_records()?;
        let newest = records.iter().map(|(_, name)| *name).max();
        let snapshots = repository.snapshots()?;
        let mut by_set = BTreeMap::new();
        // Those of filbert's own are no work of anybody's.
        for snapshot in snapshots.iter().filter(|snapshot| !SetId::is_own(&snapshot.head.set.name)) {
            by_set.insert((snapshot.head.set.host.clone(), snapshot.head.set.name.clone()), snapshot.time_ms);
        }
        let mut sets: Vec<_> = by_set.into_iter().collect();
        sets.sort_by_key(|(_, time_ms)| std::cmp::Reverse(*time_ms));
        let more_sets = sets.len().saturating_sub(MOST_SETS);
        let named = sets.iter().take(MOST_SETS).enumerate();
        let sets =
            named.map(|(number, ((host, name), time_ms))| set_line(number, host, name, *time_ms)).collect();
        Ok(Self {
            address: display_bytes(options.address.as_bytes()).into_owned(),
            user: options.user.as_ref().map(|user| display_bytes(user.as_bytes()).into_owned()),
            auth: options.connection.auth.clone(),
            allow_http: options.connection.allow_http,
            authority,
            repository: repository.id().to_string(),
            made: repository.clock().now().rfc3339(),
            program: options.program.clone(),
            place: None,
            key: key.clone(),
            last_record: newest.map(last_record),
            newest_snapshot: snapshots.last().map(|snapshot| snapshot.id.short()),
            sets,
            more_sets,
        })
    }

    /// The variables that lead to the repository, as a shell takes them.
    pub(super) fn variables(&self) -> Vec<String> {
        let mut lines = vec![format!("export FILBERT_REPOSITORY={}", quoted(&self.address))];
        lines.extend(self.user.iter().map(|user| format!("export FILBERT_WEBDAV_USER={}", quoted(user))));
        lines.extend(self.auth.iter().map(|auth| format!("export FILBERT_WEBDAV_AUTH={}", quoted(auth))));
        if self.allow_http {
            lines.push("export FILBERT_ALLOW_HTTP=true".to_owned());
        }
        if self.authority.is_some() {
            lines.push(format!("export FILBERT_CA_FILE=\"$PWD/{CA_FILE}\""));
        }
        lines
    }

    /// What puts the certificates into the file that [`Self::variables`] name. Lines may be indented.
    pub(super) fn certificates(&self) -> Vec<String> {
        let Some(Authority::Printed(certificates)) = &self.authority else { return Vec::new() };
        let told = |certificate: &Certificate| format!("# SHA-256 {}", certificate.fingerprint());
        let mut lines: Vec<_> = certificates.iter().map(told).collect();
        lines.push("printf '%s\\n' \\".to_owned());
        lines.extend(certificates.iter().flat_map(Certificate::lines).map(|line| format!("'{line}' \\")));
        lines.push(format!("> {CA_FILE}"));
        lines
    }
}

fn last_record(name: RecordName) -> LastRecord {
    LastRecord { hash: name.object.to_string(), time: Timestamp::from_millis(name.time_ms as i64).rfc3339() }
}

fn set_line(number: usize, host: &str, name: &str, time_ms: i64) -> SetLine {
    let (host, name) = (display_bytes(host.as_bytes()), display_bytes(name.as_bytes()));
    let time = Timestamp::from_millis(time_ms).rfc3339();
    SetLine {
        shown: format!("{name} of {host}, last backed up {time}"),
        restore: format!(
            "filbert restore latest --set {} --host {} --target restored-{}",
            quoted(&name),
            quoted(&host),
            number + 1
        ),
    }
}

/// As one word of a shell's command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_set_is_called_its_command_is_one_command() {
        assert_eq!(quoted("docs-2.old"), "docs-2.old");
        assert_eq!(quoted("my docs; rm -rf ~"), "'my docs; rm -rf ~'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        let line = set_line(0, "laptop", "a\nb", 0);
        assert!(!line.shown.contains('\n') && !line.restore.contains('\n'));
    }
}
