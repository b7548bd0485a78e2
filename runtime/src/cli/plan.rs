//! From a checked stack and its loaded guests to what the pipeline needs.

use std::collections::HashMap;
use std::sync::Arc;

use correlator_world::Secrets;
use jiff::tz::TimeZone;

use super::arguments::StackArguments;
use super::output::Output;
use crate::capability::{Capabilities, Desk, LogLines, Rotation, TableFiles};
use crate::declaration::{BoundSchema, Role};
use crate::pipeline::{ListenerPlan, ModulePlan, Plan};
use crate::sandbox::Guest;
use crate::stack::grant::Grant;
use crate::stack::{Component, ListenerInstance, ModuleInstance, Stack};

/// Wires the stack's instances to their guests.
pub(super) fn plan(
    arguments: &StackArguments,
    stack: &Stack,
    guests: HashMap<Component, Guest>,
    secrets: Arc<dyn Secrets>,
) -> Plan {
    let guests: HashMap<_, _> =
        guests.into_iter().map(|(component, guest)| (component, Arc::new(guest))).collect();
    let guest = |component: &Component| guests.get(component).map(Arc::clone);
    let modules = stack
        .modules
        .iter()
        .filter_map(|instance| Some(module(instance, guest(&instance.component)?)));
    let listeners = stack
        .listeners
        .iter()
        .filter_map(|instance| Some(listener(stack, instance, guest(&instance.component)?)));
    let named = arguments.stack.as_ref().map(|path| path.display().to_string());
    Plan {
        stack: named.unwrap_or_else(|| "command line".to_owned()),
        sources: stack.sources.clone(),
        capture: stack.capture.clone(),
        modules: modules.collect(),
        listeners: listeners.collect(),
        zone: stack.zone.clone(),
        keeping: stack.keeping.clone(),
        secrets,
    }
}

/// A component for people, what tells it from others, and the version that it names.
fn component(component: &Component, guest: &Guest) -> (String, String, String) {
    (component.to_string(), guest.digest.clone(), guest.description.version.clone())
}

fn module(instance: &ModuleInstance, guest: Arc<Guest>) -> ModulePlan {
    let (interest, events) = match &guest.description.role {
        Role::Module { interest, events } => (interest.clone(), events.clone()),
        Role::Listener { .. } => (Vec::new(), Vec::new()),
    };
    let (name, settings, limits) =
        (instance.name.clone(), instance.settings.clone(), instance.limits.clone());
    ModulePlan {
        name: name.clone(),
        component: component(&instance.component, &guest),
        settings: format!(
            "{:?}",
            (&settings, &limits, instance.instances, &instance.partition_by, instance.enabled)
        ),
        interest,
        events,
        timers: guest.description.timers.clone(),
        instances: instance.instances,
        partition_by: instance.partition_by.clone(),
        enabled: instance.enabled,
        limits: limits.clone(),
        start: Arc::new(move || guest.module(&name, &settings, &limits)),
    }
}

fn listener(stack: &Stack, instance: &ListenerInstance, guest: Arc<Guest>) -> ListenerPlan {
    let (name, settings, limits) =
        (instance.name.clone(), instance.settings.clone(), instance.limits.clone());
    let (schemas, grants) = (stack.schemas.clone(), instance.grants.clone());
    let events = stack.schemas.clone();
    let zone = stack.zone.clone();
    let who = name.clone();
    let wants = match &guest.description.role {
        Role::Listener { wants, .. } => wants.clone(),
        Role::Module { .. } => Vec::new(),
    };
    let wants: Vec<_> = wants.into_iter().map(|want| want.capability).collect();
    ListenerPlan {
        name: name.clone(),
        component: component(&instance.component, &guest),
        settings: format!("{:?}", (&settings, &limits, &instance.criteria, &grants)),
        criteria: instance.compiled.clone(),
        timers: guest.description.timers.clone(),
        capabilities: Arc::new(move || capabilities(&who, &wants, &grants, &events, &zone)),
        limits: limits.clone(),
        start: Arc::new(move || guest.listener(&name, &settings, &schemas, &limits)),
    }
}

/// What a listener's grants come to.
fn capabilities(
    listener: &str,
    wants: &[String],
    grants: &[Grant],
    events: &[BoundSchema],
    zone: &TimeZone,
) -> Result<Capabilities, String> {
    let mut capabilities = Capabilities { wants: wants.to_vec(), ..Capabilities::default() };
    for grant in grants {
        match grant {
            Grant::Log(_) => {
                let (console, paint) = Output::console();
                capabilities.log = Some(LogLines::new(console, paint));
            }
            Grant::Table(table) => {
                let rotation = Rotation { bytes: table.rotate_bytes, keep: table.keep };
                let zone = table.rotate_daily.then(|| zone.clone());
                let files =
                    TableFiles::new(listener, table.directory.clone(), rotation).daily(zone);
                capabilities.table = Some(files);
            }
            Grant::World(grant) => {
                capabilities.desks.insert(grant.name, Desk::new(grant)?.of_events(events));
            }
        }
    }
    Ok(capabilities)
}
