//! Reads `207 Multi-Status` answers entry by entry: one odd entry is left out and counted, a cut
//! answer is an error. Nothing is expanded but the five entities of XML and character numbers.

use super::super::Quota;
use super::retry_after::http_date_ms;
use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

/// What filbert asks of each entry.
pub(super) const PROPFIND_BODY: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<D:propfind xmlns:D="DAV:"><D:prop>"#,
    "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/>",
    "</D:prop></D:propfind>"
);

/// What filbert asks to learn how much room there is (RFC 4331).
pub(super) const QUOTA_BODY: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?>"#,
    r#"<D:propfind xmlns:D="DAV:"><D:prop>"#,
    "<D:resourcetype/><D:quota-available-bytes/><D:quota-used-bytes/>",
    "</D:prop></D:propfind>"
);

/// Deeper nesting is no listing.
const MAX_DEPTH: usize = 64;

/// The entries of one answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Multistatus {
    pub entries: Vec<RawEntry>,
    pub skipped: usize,
}

/// An entry as the server wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawEntry {
    /// Undecoded.
    pub href: String,
    pub is_folder: bool,
    pub size: Option<u64>,
    pub modified_ms: Option<i64>,
    pub quota: Quota,
}

/// Why an answer cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It does not begin like a listing at all.
    NotAListing,
    /// A listing that breaks off or goes wrong.
    Broken(String),
}

/// Reads a whole answer.
pub(super) fn parse(text: &str) -> Result<Multistatus, Unreadable> {
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    let mut parser = Parser::default();
    loop {
        let broken = |why: String, begun: bool| {
            if begun { Unreadable::Broken(why) } else { Unreadable::NotAListing }
        };
        let (space, event) = reader.read_resolved_event().map_err(|e| broken(e.to_string(), parser.begun))?;
        let is_dav = matches!(space, ResolveResult::Bound(Namespace("DAV:")));
        match event {
            Event::Start(tag) => parser.open(&tag, is_dav)?,
            Event::Empty(tag) => {
                parser.open(&tag, is_dav)?;
                parser.close();
            }
            Event::End(_) => parser.close(),
            Event::Text(piece) => parser.text.push_str(&piece.into_inner()),
            Event::CData(piece) => parser.text.push_str(&piece.into_inner()),
            Event::GeneralRef(entity) => parser.reference(&entity),
            Event::Eof if !parser.begun => return Err(Unreadable::NotAListing),
            Event::Eof if !parser.path.is_empty() => {
                return Err(Unreadable::Broken("it breaks off in the middle".to_owned()));
            }
            Event::Eof => return Ok(parser.found),
            Event::Decl(_) | Event::DocType(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

/// The elements that matter; others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Multistatus,
    Response,
    Href,
    Status,
    Propstat,
    ResourceType,
    Collection,
    Length,
    Modified,
    Available,
    Used,
    Other,
}

#[derive(Default)]
struct Parser {
    begun: bool,
    path: Vec<Tag>,
    /// Text since the last tag.
    text: String,
    entry: Entry,
    propstat: Propstat,
    found: Multistatus,
}

#[derive(Default)]
struct Entry {
    href: Option<String>,
    spoiled: bool,
    status: Option<String>,
    props: Option<Propstat>,
}

#[derive(Default)]
struct Propstat {
    status: Option<String>,
    is_folder: bool,
    size: Option<u64>,
    modified_ms: Option<i64>,
    quota: Quota,
}

impl Parser {
    fn open(&mut self, start: &BytesStart<'_>, is_dav: bool) -> Result<(), Unreadable> {
        let tag = if is_dav { tag_of(start.local_name().as_ref()) } else { Tag::Other };
        if self.path.is_empty() && (self.begun || tag != Tag::Multistatus) {
            return Err(Unreadable::NotAListing);
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(Unreadable::Broken("it is nested too deeply".to_owned()));
        }
        self.begun = true;
        match tag {
            Tag::Response => self.entry = Entry::default(),
            Tag::Propstat => self.propstat = Propstat::default(),
            Tag::Collection if self.path.last() == Some(&Tag::ResourceType) => {
                self.propstat.is_folder = true;
            }
            _ => {}
        }
        self.path.push(tag);
        self.text.clear();
        Ok(())
    }

    fn close(&mut self) {
        let Some(tag) = self.path.pop() else { return };
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        match (tag, self.path.last()) {
            // The first one: an answer may group several, but never does with properties.
            (Tag::Href, Some(Tag::Response)) => {
                self.entry.href.get_or_insert_with(|| text.to_owned());
            }
            (Tag::Status, Some(Tag::Response)) => self.entry.status = Some(text.to_owned()),
            (Tag::Status, Some(Tag::Propstat)) => self.propstat.status = Some(text.to_owned()),
            (Tag::Length, _) => self.propstat.size = text.parse().ok(),
            (Tag::Modified, _) => self.propstat.modified_ms = date_ms(text),
            (Tag::Available, _) => self.propstat.quota.available = text.parse().ok(),
            (Tag::Used, _) => self.propstat.quota.used = text.parse().ok(),
            (Tag::Propstat, _) => {
                let props = std::mem::take(&mut self.propstat);
                if is_ok(props.status.as_deref()) {
                    self.entry.add(props);
                }
            }
            (Tag::Response, _) => match std::mem::take(&mut self.entry).finish() {
                Some(entry) => self.found.entries.push(entry),
                None => self.found.skipped += 1,
            },
            _ => {}
        }
    }

    fn reference(&mut self, entity: &BytesRef<'_>) {
        match (entity.resolve_char_ref(), entity.as_ref()) {
            (Ok(Some(char)), _) => self.text.push(char),
            (_, "amp") => self.text.push('&'),
            (_, "lt") => self.text.push('<'),
            (_, "gt") => self.text.push('>'),
            (_, "quot") => self.text.push('"'),
            (_, "apos") => self.text.push('\''),
            _ => self.entry.spoiled = true,
        }
    }
}

impl Entry {
    /// A server may spread properties over several answers with status 200.
    fn add(&mut self, props: Propstat) {
        let all = self.props.get_or_insert_default();
        all.is_folder |= props.is_folder;
        all.size = all.size.or(props.size);
        all.modified_ms = all.modified_ms.or(props.modified_ms);
        all.quota.available = all.quota.available.or(props.quota.available);
        all.quota.used = all.quota.used.or(props.quota.used);
    }

    fn finish(self) -> Option<RawEntry> {
        let props = self.props?;
        let href = self.href.filter(|href| !href.is_empty())?;
        let usable = !self.spoiled && is_ok(self.status.as_deref());
        usable.then_some(RawEntry {
            href,
            is_folder: props.is_folder,
            size: props.size.filter(|_| !props.is_folder),
            modified_ms: props.modified_ms,
            quota: props.quota,
        })
    }
}

fn tag_of(name: &str) -> Tag {
    match name {
        "multistatus" => Tag::Multistatus,
        "response" => Tag::Response,
        "href" => Tag::Href,
        "status" => Tag::Status,
        "propstat" => Tag::Propstat,
        "resourcetype" => Tag::ResourceType,
        "collection" => Tag::Collection,
        "getcontentlength" => Tag::Length,
        "getlastmodified" => Tag::Modified,
        "quota-available-bytes" => Tag::Available,
        "quota-used-bytes" => Tag::Used,
        _ => Tag::Other,
    }
}

/// Whether a line such as `HTTP/1.1 200 OK` says success; servers that leave it out mean it.
fn is_ok(status: Option<&str>) -> bool {
    let code = status.and_then(|line| line.split_whitespace().find(|word| word.len() == 3));
    status.is_none() || code.is_some_and(|code| code.starts_with('2'))
}

/// RFC 1123 as the protocol wants, or RFC 3339 as some write.
fn date_ms(text: &str) -> Option<i64> {
    http_date_ms(text)
        .or_else(|| chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()))
        .or_else(|| chrono::DateTime::parse_from_rfc2822(text).ok().map(|time| time.timestamp_millis()))
}

#[cfg(test)]
#[path = "multistatus_tests.rs"]
mod tests;
