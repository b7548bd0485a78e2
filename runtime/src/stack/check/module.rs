//! What only modules have: how many share the records, by what, and whether they run.

use super::{Checker, Common};
use crate::limit;
use crate::stack::problem::Wrong;
use crate::stack::raw::RawInstance;
use crate::stack::{ModuleInstance, partition, value};

pub(in crate::stack) const INSTANCES: &str = "instances";
pub(in crate::stack) const PARTITION_BY: &str = "partition_by";
pub(in crate::stack) const ENABLED: &str = "enabled";

impl Checker<'_> {
    pub(super) fn module(&mut self, raw: &RawInstance, common: Common<'_>) -> ModuleInstance {
        let Common { component, settings, limits, mut typed, .. } = common;
        let (instances, partition_by) = partition::read(raw, &mut self.problems);
        let enabled = raw.enabled.as_ref().and_then(|node| {
            let enabled = node.scalar("`true` or `false`").and_then(value::boolean);
            self.problems.take(&node.place, enabled)
        });
        let parts = [
            (INSTANCES, raw.instances.is_some()),
            (PARTITION_BY, raw.partition_by.is_some()),
            (ENABLED, raw.enabled.is_some()),
        ];
        typed.settings = parts.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
        ModuleInstance {
            name: raw.name.text.clone(),
            component,
            settings,
            limits,
            instances,
            partition_by,
            enabled: enabled.unwrap_or(true),
            typed,
        }
    }

    /// Instances of one module count as many as they are.
    pub(super) fn count(&mut self, modules: &[ModuleInstance]) {
        let most = limit::INSTANCES_MAX;
        let count: usize = modules.iter().map(|module| module.instances).sum();
        if count > most {
            let wrong =
                format!("a stack has at most {most} instances of modules, this has {count}");
            self.problems.error(&self.raw.place, Wrong::new(wrong));
        }
    }
}
