//! Answers as Nutstore words them: XML with the name of an exception, or a bare page of its proxy.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName};

/// An answer before it goes out.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn xml(status: StatusCode, text: String) -> Self {
        let body = Bytes::from(text);
        Self { status, headers: Vec::new(), body }.with(header::CONTENT_TYPE, "text/xml; charset=utf-8")
    }

    pub fn exception(status: StatusCode, name: &str, message: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:error xmlns:d=\"DAV:\" \
             xmlns:s=\"http://ns.jianguoyun.com\"><s:exception>{name}</s:exception>\
             <s:message>{message}</s:message></d:error>"
        );
        Self::xml(status, text)
    }

    /// What the proxy in front answers by itself.
    pub fn page(status: StatusCode) -> Self {
        let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
        let text = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        let body = Bytes::from(text);
        Self { status, headers: Vec::new(), body }.with(header::CONTENT_TYPE, "text/html")
    }

    pub fn blocked() -> Self {
        let message = "too many requests; wait before the next one";
        Self::exception(StatusCode::SERVICE_UNAVAILABLE, "BlockedTemporarily", message)
    }

    /// Without XML.
    pub fn unauthorised() -> Self {
        Self::empty(StatusCode::UNAUTHORIZED).with(header::WWW_AUTHENTICATE, "Basic realm=\"Nutstore\"")
    }

    pub fn not_found() -> Self {
        Self::exception(StatusCode::NOT_FOUND, "ObjectNotFound", "there is nothing at this path")
    }

    pub fn no_ancestors() -> Self {
        let message = "the folder above does not exist";
        Self::exception(StatusCode::CONFLICT, "AncestorsNotFound", message)
    }

    pub fn duplicate() -> Self {
        Self::exception(StatusCode::CONFLICT, "DuplicateName", "there is something of this name")
    }

    pub fn existed() -> Self {
        Self::exception(StatusCode::METHOD_NOT_ALLOWED, "ResourceExisted", "there is something of this name")
    }

    /// The name of this exception is the emulator's own; the real one is not known.
    pub fn illegal(message: &str) -> Self {
        Self::exception(StatusCode::BAD_REQUEST, "IllegalArgument", message)
    }

    pub fn forbidden(message: &str) -> Self {
        Self::exception(StatusCode::FORBIDDEN, "OperationNotAllowed", message)
    }

    pub fn traffic_used_up() -> Self {
        let message = "the traffic of this month is used up";
        Self::exception(StatusCode::FORBIDDEN, "TrafficRateExhausted", message)
    }

    pub fn drive_full() -> Self {
        Self::exception(StatusCode::FORBIDDEN, "StorageSpaceExhausted", "the drive is full")
    }

    pub fn too_big() -> Self {
        Self::exception(StatusCode::BAD_REQUEST, "TooBigEntity", "the object is too large")
    }
}
