//! The exports of a module.

use core::marker::PhantomData;

use correlator_frame::record::Batch;

use super::convert;
use crate::bindings::module::correlator::engine::records;
use crate::bindings::module::{
    Batch as WitBatch, Description, Guest, Setting, State, Statistic, Tick, Turn,
};
use crate::description::Interest;
use crate::error::Error;
use crate::instance::{ModuleInstance, Parts};
use crate::module::Module;

/// A module with the one instance of it that the component holds: what `export_module!` implements.
pub trait ExportedModule: Module {
    /// Calls into the instance.
    fn with<R>(call: impl FnOnce(&mut ModuleInstance<Self>) -> R) -> R;
}

/// The exports of module `M`.
pub struct ModuleExport<M>(PhantomData<M>);

impl<M: ExportedModule> Guest for ModuleExport<M> {
    fn describe() -> Description {
        super::tell_panics();
        M::with(|instance| describe(instance))
    }

    fn configure(settings: Vec<Setting>) -> Result<(), String> {
        super::tell_panics();
        let settings = convert::settings(settings);
        M::with(|instance| instance.configure(&settings)).map_err(sentence)
    }

    fn process(batch: WitBatch) -> Result<Turn, String> {
        let view = Batch { text: &batch.text, index: &batch.index, extra: &batch.extra };
        M::with(|instance| instance.process(batch.layout, view)).map(turn).map_err(sentence)
    }

    fn tick(tick: Tick) -> Result<Turn, String> {
        let timer = convert::cause(tick.cause);
        M::with(|instance| instance.tick(timer, tick.time)).map(turn).map_err(sentence)
    }

    fn save() -> Result<State, String> {
        M::with(|instance| instance.save()).map(convert::state).map_err(sentence)
    }

    fn restore(state: State) -> Result<(), String> {
        M::with(|instance| instance.restore(state.version, &state.bytes)).map_err(sentence)
    }

    fn statistics() -> Vec<Statistic> {
        convert::statistics(M::with(|instance| instance.statistics()))
    }
}

fn turn((text, index): Parts) -> Turn {
    Turn { text, index }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn sentence(error: Error) -> String {
    error.to_string()
}

fn describe<M: Module>(instance: &ModuleInstance<M>) -> Description {
    let description = instance.description();
    Description {
        name: description.name.to_owned(),
        version: description.version.to_owned(),
        meaning: description.meaning.to_owned(),
        interest: description.interest.iter().map(interest).collect(),
        events: description.events.iter().map(|schema| convert::event(schema)).collect(),
        options: convert::options(instance.option_schemas()),
        timers: convert::timers(&description.timers),
        state_version: M::STATE_VERSION,
    }
}

fn interest(clause: &Interest) -> records::Interest {
    let literal = |literal: &crate::description::Literal| records::Literal {
        text: literal.text.clone(),
        anchor: if literal.at_start { records::Anchor::Start } else { records::Anchor::Anywhere },
    };
    records::Interest {
        programs: clause.programs.clone(),
        facilities: clause.facilities.clone(),
        severity: clause.severity.map(convert::severity),
        literals: clause.literals.iter().map(literal).collect(),
        fields: clause.fields.clone(),
    }
}
