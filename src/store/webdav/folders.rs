//! Makes folders on servers that answer "it is there already" in five different ways.

use super::super::{ErrorKind, StoreError};
use super::failure::refused;
use super::listing::look;
use super::options::Base;
use super::request::{Request, Verb};
use super::session::Session;

/// What became of an attempt.
enum Made {
    Yes,
    /// The folder above is missing.
    NoParent(StoreError),
}

/// Makes a folder whose parent is there.
pub(super) async fn ensure(session: &Session, folder: &str) -> Result<(), StoreError> {
    match make(session, folder).await? {
        Made::Yes => Ok(()),
        Made::NoParent(error) => Err(error),
    }
}

/// Makes the root. Folders above it are tried only when the server says that they are missing,
/// the nearest first: it may be forbidden to touch those at the top.
pub(super) async fn ensure_root(session: &Session, base: &Base) -> Result<(), StoreError> {
    let depth = base.segments.len();
    let mut there = depth;
    while let Made::NoParent(error) = make(session, &base.folder_above(there)).await? {
        if there <= 1 {
            return Err(error);
        }
        there -= 1;
    }
    for missing in there + 1..=depth {
        ensure(session, &base.folder_above(missing)).await?;
    }
    Ok(())
}

async fn make(session: &Session, folder: &str) -> Result<Made, StoreError> {
    let request = Request::new(Verb::Mkcol, folder);
    let error = match session.exchange(&request).await {
        Ok(mut answer) => match answer.status().as_u16() {
            200..300 | 405 => {
                answer.finish().await;
                return Ok(Made::Yes);
            }
            404 => return Ok(Made::NoParent(refused(answer, &*session.clock).await)),
            _ => refused(answer, &*session.clock).await,
        },
        Err(error) => error,
    };
    // Looking would fail the same way.
    if matches!(error.kind, ErrorKind::Unauthorised | ErrorKind::Throttled(_) | ErrorKind::Unknown) {
        return Err(error);
    }
    match look(session, folder).await {
        Ok(entry) if entry.is_folder => Ok(Made::Yes),
        Ok(_) => {
            let action = session.action(&request);
            Err(StoreError::new(
                ErrorKind::Conflict,
                &action,
                "there is a file of this name; choose another folder",
            ))
        }
        Err(_) if error.kind == ErrorKind::NotFound => Ok(Made::NoParent(error)),
        Err(_) => Err(error),
    }
}
