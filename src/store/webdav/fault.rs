//! What an error answer says about itself: the exception name decides, the message is shown.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Bytes of an error answer that are looked at.
pub(super) const FAULT_BYTES: usize = 64 * 1024;

/// Characters of a server's message that are shown.
const SHOWN_CHARS: usize = 200;

/// The server's own account of an error.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// `<s:exception>` as it stands, such as `BlockedTemporarily`.
    pub exception: Option<String>,
    /// `<s:message>`, or the title of a web page; fit for a terminal.
    pub message: Option<String>,
}

impl Fault {
    pub fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let (mut exception, mut message, mut title) = (String::new(), String::new(), String::new());
        let mut reader = Reader::from_str(&text);
        // Web pages are seldom XML.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let mut inside = String::new();
        loop {
            let piece = match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    inside = tag.local_name().as_ref().to_ascii_lowercase();
                    continue;
                }
                Ok(Event::End(_)) => {
                    inside.clear();
                    continue;
                }
                Ok(Event::Text(piece)) => piece.into_inner(),
                Ok(Event::CData(piece)) => piece.into_inner(),
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => continue,
            };
            match inside.as_str() {
                "exception" => exception.push_str(&piece),
                "message" => message.push_str(&piece),
                "title" => title.push_str(&piece),
                _ => {}
            }
        }
        let shown = |text: String| Some(shown(&text)).filter(|text| !text.is_empty());
        Self { exception: shown(exception), message: shown(message).or_else(|| shown(title)) }
    }

    pub fn is(&self, name: &str) -> bool {
        self.exception.as_deref() == Some(name)
    }

    /// ` (NAME: message)`, or less.
    pub fn in_brackets(&self) -> String {
        match (&self.exception, &self.message) {
            (Some(name), Some(message)) => format!(" ({name}: {message})"),
            (Some(one), None) | (None, Some(one)) => format!(" ({one})"),
            (None, None) => String::new(),
        }
    }
}

/// A server's text, cut short and without what could move a cursor.
pub(super) fn shown(text: &str) -> String {
    let mut short = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
        if short.chars().nth(SHOWN_CHARS).is_some() {
            return short.chars().take(SHOWN_CHARS).chain(['…']).collect();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exception_and_message_are_found_under_any_prefix() {
        let body = br#"<?xml version="1.0"?><d:error xmlns:d="DAV:" xmlns:s="http://ns.jianguoyun.com">
            <s:exception>BlockedTemporarily</s:exception><s:message>too many requests</s:message></d:error>"#;
        let fault = Fault::parse(body);
        assert!(fault.is("BlockedTemporarily"));
        assert_eq!(fault.in_brackets(), " (BlockedTemporarily: too many requests)");
    }

    #[test]
    fn a_web_page_shows_its_title() {
        let page = b"<html><head><title>503 Service\r\nUnavailable</title><br></head><body><center>x";
        assert_eq!(Fault::parse(page).in_brackets(), " (503 Service Unavailable)");
        assert_eq!(Fault::parse(b"\xff\xfe plain").in_brackets(), "");
    }

    #[test]
    fn messages_are_cut_and_cannot_move_the_cursor() {
        let text = format!("a\x1b[2Jb {}", "x".repeat(1000));
        let shown = shown(&text);
        assert!(shown.starts_with("a [2Jb") && shown.chars().count() <= 201);
        assert!(!shown.contains('\x1b'));
    }
}
