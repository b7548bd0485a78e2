//! The services that are known: each is a recipe in `presets/`, data and no code.

use crate::recipe::Recipe;

const PRESETS: [(&str, &str); 8] = [
    ("generic", include_str!("presets/generic.yaml")),
    ("slack", include_str!("presets/slack.yaml")),
    ("teams", include_str!("presets/teams.yaml")),
    ("mattermost", include_str!("presets/mattermost.yaml")),
    ("pagerduty", include_str!("presets/pagerduty.yaml")),
    ("servicenow", include_str!("presets/servicenow.yaml")),
    ("jira", include_str!("presets/jira.yaml")),
    ("alertmanager", include_str!("presets/alertmanager.yaml")),
];

/// What is taken if nothing is said.
pub(super) const GENERIC: &str = "generic";

/// The recipe of this name.
///
/// # Errors
/// There is none.
pub(super) fn find(name: &str) -> Result<Recipe, String> {
    if let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) {
        return Recipe::bundled(text);
    }
    let names = PRESETS.map(|(name, _)| name).join(", ");
    Err(format!("there is no preset `{name}`; there are {names}"))
}
