//! What an operator writes for text messages.

use crate::recipe::Recipe;
use crate::settings::grant;

grant! {
    recipe
    /// The grant `sms`.
    pub struct Settings {
        /// Who sends: `twilio` if nothing is said, or `other`, which the settings describe.
        pub provider: Option<String>,
        /// Twilio: the account's SID.
        pub account: Option<String>,
        /// The number or name that it comes from.
        pub from: Option<String>,
        /// Twilio: a messaging service, in place of `from`.
        pub messaging_service: Option<String>,
        /// The credential by name.
        pub credential: Option<String>,
        /// Who may be written to: numbers such as `+4917012345`, and patterns such as `+49170*`.
        pub recipients: Vec<String>,
        /// Characters of a message: what is longer is cut. 320 if nothing is said, 1600 at most.
        pub characters_max: Option<usize>,
    }
}

impl Settings {
    /// What of its provider it wants otherwise.
    pub(super) fn changes(&self) -> Recipe {
        let mut recipe = self.recipe();
        let named = [
            ("account", &self.account),
            ("from", &self.from),
            ("messaging_service", &self.messaging_service),
        ];
        let given = named.into_iter().filter(|(_, value)| value.is_some());
        recipe.values.extend(given.map(|(name, value)| (name.to_owned(), value.clone())));
        recipe
    }
}
