//! Bytes to records: framing, syslog parsing and time.
