//! What the stack may set.

use correlator_sdk::prelude::*;

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// To whom, with commas between addresses. Empty: whom the grant names.
    #[option(default = "")]
    pub to: String,
    /// A template of the subject. Empty: what the template of the text sets, or else the summary.
    #[option(default = "")]
    pub subject: String,
    /// The same for a digest.
    #[option(default = "")]
    pub subject_digest: String,
    /// What every subject begins with, such as "[correlator] ".
    #[option(default = "")]
    pub subject_prefix: String,
    /// Whether "Error: " or "Warning: " follows, by severity.
    #[option(default = true)]
    pub severity_prefix: bool,
    /// Whether there is an HTML part too.
    #[option(default = true)]
    pub html: bool,
    /// A template of the text. Empty: the default.
    #[option(default = "")]
    pub template_text: String,
    /// A template of the HTML part. Empty: the default, or none if the text has a template of its own.
    #[option(default = "")]
    pub template_html: String,
    /// The same for the text of a digest.
    #[option(default = "")]
    pub template_digest_text: String,
    /// The same for the HTML part of a digest.
    #[option(default = "")]
    pub template_digest_html: String,
    /// How long events are collected and then told together; 0s tells each by itself.
    #[option(default = "0s", at_least = "0s", at_most = "30d")]
    pub digest: Duration,
    /// How many events a digest lists. One that has so many is sent at once, but not in quiet hours.
    #[option(default = 100, at_least = 1, at_most = 1000)]
    pub digest_max: usize,
    /// Hours in which events wait for a digest, such as "22:00-07:00". Empty: none.
    #[option(default = "")]
    pub quiet_hours: String,
    /// The time zone of quiet hours, such as "Europe/Berlin". Empty: the stack's.
    #[option(default = "")]
    pub time_zone: String,
    /// What is at least so severe is told at once, whatever digest and quiet hours say.
    #[option(
        default = "critical",
        choices = [
            "emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug",
        ]
    )]
    pub urgent: String,
    /// The same event is told once in this time; 0s for always.
    #[option(default = "0s", at_least = "0s", at_most = "30d")]
    pub throttle: Duration,
    /// The columns, with commas between them, that make two events of a kind different ones for the throttle.
    #[option(default = "")]
    pub throttle_by: String,
}
