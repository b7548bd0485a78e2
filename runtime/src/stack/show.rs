//! Every setting of a stack with its kind, value, default and meaning: what an operator asks to see.
//!
//! This is data; whoever prints it decides how.

mod source;
mod whole;

use super::check::module::{ENABLED, INSTANCES, PARTITION_BY};
use super::value::setting_text;
use super::zone::{self, name as zone_name};
use super::{Component, Guests, ModuleInstance, Stack, Typed, bound, partition};
use crate::declaration::{OptionSchema, Role, Setting};
use crate::limit::{LIMITS, Limits, Unit};

/// A setting of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOption {
    /// What it belongs to: `stack`, `source`, `module` or `listener`.
    pub part: &'static str,
    /// The name of the source or instance; empty for the stack itself.
    pub instance: String,
    /// Which settings it is among: `settings`, `options`, `grants` or `limits`.
    pub group: &'static str,
    /// Its name.
    pub option: String,
    /// What it holds.
    pub kind: String,
    /// The value that holds.
    pub value: String,
    /// The value where the stack says nothing; absent if it must be set.
    pub default: Option<String>,
    /// What it means.
    pub meaning: String,
    /// Whether the stack says something.
    pub set: bool,
}

/// All settings of a stack, in its order. Limits come last for each instance.
#[must_use]
pub fn show(stack: &Stack, guests: &Guests) -> Vec<ShownOption> {
    let mut shown = Shown { part: "stack", instance: String::new(), rows: Vec::new() };
    whole::show(&mut shown, stack);
    for source in &stack.sources {
        source::show(&mut shown, source);
    }
    for module in &stack.modules {
        shown.begin("module", &module.name);
        shown.component(&module.component, &module.name);
        shown.shares(module);
        shown.options(schema(guests, &module.component), &module.settings, &module.typed);
        shown.limits(&module.limits, &module.typed);
    }
    for listener in &stack.listeners {
        shown.begin("listener", &listener.name);
        shown.component(&listener.component, &listener.name);
        let own = own_criteria(guests, &listener.component);
        let meaning = "Which events the listener gets; nothing means all of them.";
        let (criteria, set) = (listener.criteria.clone(), listener.typed.criteria);
        shown.row("settings", "criteria", "criteria", criteria, Some(own), set, meaning);
        shown.options(schema(guests, &listener.component), &listener.settings, &listener.typed);
        for part in listener.grants.iter().flat_map(super::grant::Grant::explain) {
            let set = part.default.as_ref() != Some(&part.value);
            shown.row("grants", part.name, part.kind, part.value, part.default, set, part.meaning);
        }
        shown.limits(&listener.limits, &listener.typed);
    }
    shown.rows
}

struct Shown {
    part: &'static str,
    instance: String,
    rows: Vec<ShownOption>,
}

impl Shown {
    fn begin(&mut self, part: &'static str, instance: &str) {
        self.part = part;
        instance.clone_into(&mut self.instance);
    }

    #[expect(clippy::too_many_arguments, reason = "a row has so many cells")]
    fn row(
        &mut self,
        group: &'static str,
        option: &str,
        kind: &str,
        value: String,
        default: Option<String>,
        set: bool,
        meaning: &str,
    ) {
        self.rows.push(ShownOption {
            part: self.part,
            instance: self.instance.clone(),
            group,
            option: option.to_owned(),
            kind: kind.to_owned(),
            value,
            default,
            meaning: meaning.to_owned(),
            set,
        });
    }

    /// What only modules have.
    fn shares(&mut self, module: &ModuleInstance) {
        let by = module.partition_by.as_ref();
        let by = by.map_or_else(|| "nothing".to_owned(), |by| partition::text(by).to_owned());
        let (instances, enabled) = (module.instances.to_string(), module.enabled.to_string());
        let rows = [
            (INSTANCES, "integer", instances, "1", "How many instances share its records."),
            (PARTITION_BY, "field", by, "nothing", "What of a record decides which gets it."),
            (ENABLED, "boolean", enabled, "true", "Whether it runs."),
        ];
        for (name, kind, value, default, meaning) in rows {
            let set = module.typed.settings.contains(&name);
            self.row("settings", name, kind, value, Some(default.to_owned()), set, meaning);
        }
    }

    fn component(&mut self, component: &Component, name: &str) {
        let part = self.part;
        let set = *component != Component::Bundled(name.to_owned());
        let meaning = "What this is an instance of: a bundled guest's name or a component's path.";
        self.row(
            "settings",
            part,
            "component",
            component.to_string(),
            Some(name.to_owned()),
            set,
            meaning,
        );
    }

    fn options(&mut self, schema: &[OptionSchema], settings: &[(String, Setting)], typed: &Typed) {
        for option in schema {
            let setting = settings.iter().find(|(name, _)| *name == option.name);
            let value = setting.map(|(_, setting)| setting_text(setting)).unwrap_or_default();
            let default = option.default.as_ref().map(setting_text);
            let default =
                if zone::is_wanted(option) { Some("the stack's".into()) } else { default };
            let set = typed.options.contains(&option.name);
            self.row("options", &option.name, &kind(option), value, default, set, &option.meaning);
        }
    }

    fn limits(&mut self, limits: &Limits, typed: &Typed) {
        for limit in LIMITS {
            let kind = match limit.unit {
                Unit::Count => "integer",
                Unit::Bytes => "size",
                Unit::Time => "duration",
            };
            let value = bound::text(limit.unit, (limit.get)(limits));
            let default = bound::text(limit.unit, limit.default);
            let set = typed.limits.contains(&limit.name);
            self.row("limits", limit.name, kind, value, Some(default), set, limit.meaning);
        }
    }
}

/// An option's kind with what bounds it.
fn kind(option: &OptionSchema) -> String {
    let text = |number: i64| match option.kind {
        correlator_frame::value::Kind::Duration => super::value::duration_text(number),
        _ => number.to_string(),
    };
    let kind = option.kind;
    match (option.at_least.map(text), option.at_most.map(text)) {
        _ if !option.choices.is_empty() => format!("{kind}: {}", option.choices.join(", ")),
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        (Some(least), None) => format!("{kind} from {least}"),
        (None, Some(most)) => format!("{kind} up to {most}"),
        (None, None) => kind.to_string(),
    }
}

fn schema<'a>(guests: &'a Guests, component: &Component) -> &'a [OptionSchema] {
    match guests.loaded.get(component) {
        Some(Ok(description)) => &description.options,
        _ => &[],
    }
}

fn own_criteria(guests: &Guests, component: &Component) -> String {
    match guests.loaded.get(component).map(|loaded| loaded.as_ref().map(|guest| &guest.role)) {
        Some(Ok(Role::Listener { criteria, .. })) => criteria.clone(),
        _ => String::new(),
    }
}
