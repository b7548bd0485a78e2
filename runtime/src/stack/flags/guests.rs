//! What flags say of the guests: options, criteria, limits, shares, and the grants that flags imply.

use std::path::Path;
use std::sync::Arc;

use super::{Maker, in_name, key, scalar};
use crate::stack::node::{Node, Value};
use crate::stack::problem::{Place, Wrong};
use crate::stack::raw::RawInstance;
use crate::stack::{Part, suggest};
use crate::text::clean;

impl Maker {
    pub(super) fn option(&mut self, flag: &str) {
        let place = self.place("option", flag);
        let split = flag.split_once('=').and_then(|(path, value)| {
            path.split_once('.').map(|(instance, option)| (instance, option, value))
        });
        let Some((instance, option, value)) = split else {
            let wrong = Wrong::new("expected `INSTANCE.OPTION=VALUE`");
            let first = self.names().into_iter().next().unwrap_or_else(|| "sshd".to_owned());
            let help = format!("such as `{first}.option=5`");
            return self.raw.problems.error(&place, wrong.help(help));
        };
        if let Some(instance) = self.instance(instance, &place) {
            let entry = (key(option, &place), Arc::new(scalar(value, place.clone())));
            if instance.options.iter().any(|(key, _)| key.text == option) {
                let wrong = Wrong::new(format!("the option `{option}` was given twice"));
                return self.raw.problems.error(&place, wrong.help("keep one of them"));
            }
            instance.options.push(entry);
        }
    }

    pub(super) fn criteria(&mut self, flag: &str) {
        let place = self.place("criteria", flag);
        // An instance's name stands before the first `=`, which is not the first of `==`, `<=` or `!=`. What looks like
        // a mistyped comparison is told as one.
        let names = self.names();
        let named = flag.split_once('=').filter(|(typed, rest)| {
            let name = typed.trim();
            let is_compared =
                typed.ends_with(' ') || ["event", "module", "severity", "time"].contains(&name);
            !rest.starts_with(['=', '>', '<', '~'])
                && !name.is_empty()
                && name.chars().all(in_name)
                && (!is_compared || names.iter().any(|known| known == name))
        });
        if let Some((name, expression)) = named {
            let node = Arc::new(scalar(expression.trim(), place.clone()));
            if let Some(instance) = self.instance(name.trim(), &place) {
                instance.criteria = Some(node);
            }
        } else {
            let node = Arc::new(scalar(flag.trim(), place));
            for listener in &mut self.raw.listeners {
                listener.criteria = Some(node.clone());
            }
        }
    }

    pub(super) fn limit(&mut self, flag: &str) {
        let place = self.place("limit", flag);
        let Some((path, value)) = flag.split_once('=') else {
            let wrong = Wrong::new("expected `LIMIT=VALUE` or `INSTANCE.LIMIT=VALUE`");
            return self.raw.problems.error(&place, wrong);
        };
        let node = Arc::new(scalar(value, place.clone()));
        if let Some((instance, limit)) = path.split_once('.') {
            if let Some(instance) = self.instance(instance, &place) {
                instance.limits.push((key(limit, &place), node));
            }
        } else {
            self.raw.limits.push((key(path, &place), node));
        }
    }

    /// `--instances` and `--partition-by`: of one module, or of all that are named.
    pub(super) fn share(&mut self, flag: &str, name: &str) {
        let place = self.place(name, flag);
        let named = flag.split_once('=').map(|(module, value)| (Some(module.trim()), value.trim()));
        let (module, value) = named.unwrap_or((None, flag));
        let node = Arc::new(scalar(value, place.clone()));
        let set = |instance: &mut RawInstance| match name {
            "instances" => instance.instances = Some(node.clone()),
            _ => instance.partition_by = Some(node.clone()),
        };
        let Some(module) = module else {
            return self.raw.modules.iter_mut().for_each(set);
        };
        let Some(instance) = self.instance(module, &place) else { return };
        if instance.part == Part::Module {
            return set(instance);
        }
        let wrong = Wrong::new(format!("`{}` is a listener", clean(module, 64)));
        self.raw.problems.error(&place, wrong.help("only modules can be shared out"));
    }

    fn instance(&mut self, name: &str, place: &Place) -> Option<&mut RawInstance> {
        let names = self.names();
        if !names.iter().any(|known| known == name) {
            let wrong =
                Wrong::new(format!("no module or listener is called `{}`", clean(name, 64)));
            self.raw.problems.error(place, wrong.maybe(suggest::known(name, &names)));
            return None;
        }
        let mut instances = self.raw.modules.iter_mut().chain(&mut self.raw.listeners);
        instances.find(|instance| instance.name.text == name)
    }

    /// Offers every grant that flags imply; the check keeps those that a listener wants.
    pub(super) fn grants(&mut self, output: &Path) {
        let text = output.display().to_string();
        let place = self.place("output", &text);
        let directory = Arc::new(scalar(&text, place.clone()));
        let table = Value::Map(vec![(key("directory", &place), directory)]);
        let table = Arc::new(Node { place: place.clone(), value: table });
        let log = Arc::new(scalar("true", place.clone()));
        for listener in &mut self.raw.listeners {
            listener.grants =
                vec![(key("log", &place), log.clone()), (key("table", &place), table.clone())];
        }
    }
}
