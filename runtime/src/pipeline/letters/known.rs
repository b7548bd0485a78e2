//! What is known of the guests and sources of the stack, as it is now: what letters tell of them, and what it takes to read
//! their events.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use correlator_source::settings::Source;

use crate::declaration::EventSchema;
use crate::pipeline::crew::hiring::plan_of;
use crate::pipeline::crew::shape;
use crate::pipeline::listening::former::{Formers, formers};
use crate::pipeline::listening::view::Shapes;
use crate::pipeline::state::forms::Forms;
use crate::pipeline::{ListenerPlan, ModulePlan, notices};

/// A module's form of events.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    pub(crate) shape: u64,
    pub(crate) schemas: Vec<EventSchema>,
}

/// Guests and sources by name.
#[derive(Debug)]
pub(crate) struct Known(RwLock<All>);

#[derive(Debug, Default)]
struct All {
    /// What a guest is an instance of, for people, and what tells that version from others.
    components: HashMap<String, (String, String)>,
    /// By module.
    events: HashMap<String, Events>,
    /// What they were before, too.
    forms: Forms,
    /// By their numbers.
    sources: HashMap<u32, String>,
}

impl Default for Known {
    /// Nobody but the engine itself.
    fn default() -> Self {
        let schemas = notices::events();
        let own = Events { shape: shape(&schemas), schemas };
        let events = HashMap::from([(notices::INSTANCE.to_owned(), own)]);
        Self(RwLock::new(All { events, ..All::default() }))
    }
}

impl Known {
    /// With what earlier runs knew that left this state.
    pub(crate) fn load(state: &Path) -> Self {
        let known = Self::default();
        let mut forms = Forms::load(state);
        forms.note(notices::INSTANCE, &notices::events());
        known.0.write().unwrap_or_else(PoisonError::into_inner).forms = forms;
        known
    }

    /// A module works, or is about to.
    pub(crate) fn module(&self, plan: &ModulePlan) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let events = Events { shape: shape(&plan.events), schemas: plan.events.clone() };
        all.forms.note(&plan.name, &plan.events);
        all.events.insert(plan.name.clone(), events);
        let (component, digest, _) = plan.component.clone();
        all.components.insert(plan.name.clone(), (component, digest));
    }

    /// A listener works, or is about to.
    pub(crate) fn listener(&self, plan: &ListenerPlan) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (component, digest, _) = plan.component.clone();
        all.components.insert(plan.name.clone(), (component, digest));
    }

    /// A source is read, or is about to be.
    pub(crate) fn source(&self, source: &Source) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.sources.insert(source.number(), source.name.clone());
    }

    /// What a guest, or one part of it, is an instance of.
    pub(crate) fn component(&self, guest: &str) -> (String, String) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.components.get(plan_of(guest)).cloned().unwrap_or_default()
    }

    /// What the events of a module's instance look like.
    pub(crate) fn events(&self, module: &str) -> Option<Events> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.events.get(plan_of(module)).cloned()
    }

    /// How who is configured with these shapes reads events of other forms.
    pub(crate) fn formers(&self, shapes: &Shapes) -> Formers {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        formers(&all.forms, shapes)
    }

    /// What a source is called; its number where nobody knows.
    pub(crate) fn source_name(&self, number: u32) -> String {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.sources.get(&number).cloned().unwrap_or_else(|| format!("{number:x}"))
    }
}
