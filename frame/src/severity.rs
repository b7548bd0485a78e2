//! Syslog's severities and facilities, by number and by name.

/// How severe, on syslog's scale. The most severe is the least number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The system is unusable.
    Emergency,
    /// Act at once.
    Alert,
    /// A critical condition.
    Critical,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Normal, but significant.
    Notice,
    /// For information.
    Informational,
    /// For debugging.
    Debug,
}

impl Severity {
    /// All of them, the most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// The severity of a number from 0 to 7.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// Its number, from 0 to 7.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its name in the contract, in stacks and in criteria.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Alert => "alert",
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Informational => "informational",
            Self::Debug => "debug",
        }
    }

    /// The severity of a name; syslog's short forms are understood too.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let short = match name {
            "emerg" | "panic" => Self::Emergency,
            "crit" => Self::Critical,
            "err" => Self::Error,
            "warn" => Self::Warning,
            "info" => Self::Informational,
            _ => return Self::ALL.into_iter().find(|severity| severity.name() == name),
        };
        Some(short)
    }
}

/// The names of syslog's facilities, by number.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];
