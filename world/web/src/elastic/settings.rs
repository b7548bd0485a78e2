//! What an operator writes for a search engine.

use crate::recipe::Auth;
use crate::settings::grant;

grant! {
    /// The grant `elastic`.
    pub struct Settings {
        /// Where it listens, such as `https://search.example.net:9200`.
        pub url: String,
        /// The credential by name: the user's password, or an API key.
        pub credential: Option<String>,
        /// How it is shown; `basic` with a `user`, as an API key without one.
        pub auth: Option<Auth>,
        /// Who goes with it.
        pub user: Option<String>,
        /// The index that a document goes to: a text with `{target}`, `{module}` or another column, and `{+yyyy.MM.dd}`.
        pub index: Option<String>,
        /// The data stream that it goes to, in place of `index`.
        pub stream: Option<String>,
        /// What listeners may name as target; anything if nothing is said.
        pub targets: Vec<String>,
        /// Whether templates are made; `true` if nothing is said.
        pub template: Option<bool>,
        /// How many indices or streams may be named in a run.
        pub indices_max: Option<usize>,
    }
}
