//! Every number that bounds something.

use std::time::Duration;

/// How long connecting may take, if the grant says nothing.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request with its answer may take, if the grant says nothing.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that a grant may set.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_mins(10);
/// What an endpoint asks to be left alone is believed up to this.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// How long a connection that is not used is kept.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(10);

/// Addresses of one name that are looked at.
pub(crate) const ADDRESSES_MAX: usize = 16;
/// Bytes of an answer's head.
pub(crate) const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer to a message: it is read for a few words.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a file with certificates.
pub(crate) const CERTIFICATE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Characters of what a stranger says that are repeated.
pub(crate) const SAID_CHARACTERS_MAX: usize = 200;
/// Characters of a body that a plan shows.
pub(crate) const PLAN_CHARACTERS_MAX: usize = 400;

/// Endpoints of one grant.
pub(crate) const ENDPOINTS_MAX: usize = 256;
/// Headers of one endpoint.
pub(crate) const HEADERS_MAX: usize = 64;
/// Bytes of a header's value.
pub(crate) const HEADER_BYTES_MAX: usize = 4 * 1024;
/// Characters of the key by which an endpoint knows a message that comes again: what those that ask for one take.
pub(crate) const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 255;
/// Bytes of a message's body.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Lines that a template makes of a JSON object.
pub(crate) const LINES_MAX: usize = 64;
/// Columns of one request.
pub(crate) const COLUMNS_MAX: usize = 512;

/// Recipients and patterns of one grant.
pub(crate) const RECIPIENTS_MAX: usize = 10_000;
/// Characters of a text message, if the grant says nothing.
pub(crate) const SMS_CHARACTERS: usize = 320;
/// The most characters that a grant may set: what Twilio takes.
pub(crate) const SMS_CHARACTERS_MAX: usize = 1_600;

/// Bytes of one document of a search engine.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of documents that are sent at once.
pub(crate) const BULK_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Documents that are sent at once.
pub(crate) const BULK_DOCUMENTS_MAX: usize = 2_000;
/// Bytes that are read of an answer for each document that was sent.
pub(crate) const BULK_ANSWER_BYTES_PER_DOCUMENT: u64 = 4 * 1024;
/// Indices or streams that one grant may name, if it says nothing.
pub(crate) const INDICES: usize = 1_000;
/// Bytes of the name of an index.
pub(crate) const INDEX_BYTES_MAX: usize = 255;
/// Bytes of what a search engine says of one of its templates.
pub(crate) const TEMPLATE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Fields of one template.
pub(crate) const TEMPLATE_FIELDS_MAX: usize = 900;
/// Characters of a text that are searched as one word.
pub(crate) const KEYWORD_CHARACTERS_MAX: usize = 1_024;
