//! The exports of a listener.

use core::marker::PhantomData;

use super::convert;
use crate::bindings::listener::correlator::engine::events;
use crate::bindings::listener::{
    Batch, BoundSchema as WitSchema, Description, Guest, Setting, State, Statistic, Tick, Turn,
};
use crate::bindings::module::correlator::engine::types;
use crate::effect::Effect;
use crate::error::Error;
use crate::instance::ListenerInstance;
use crate::listener::{BoundColumn, BoundSchema, Listener};

/// A listener with the one instance of it that the component holds: what `export_listener!` implements.
pub trait ExportedListener: Listener {
    /// Calls into the instance.
    fn with<R>(call: impl FnOnce(&mut ListenerInstance<Self>) -> R) -> R;
}

/// The exports of listener `L`.
pub struct ListenerExport<L>(PhantomData<L>);

impl<L: ExportedListener> Guest for ListenerExport<L> {
    fn describe() -> Description {
        super::tell_panics();
        L::with(|instance| describe(instance))
    }

    fn configure(settings: Vec<Setting>, schemas: Vec<WitSchema>) -> Result<(), String> {
        super::tell_panics();
        let settings = convert::settings(settings);
        let schemas = schemas.into_iter().map(bound_schema).collect();
        L::with(|instance| instance.configure(&settings, schemas)).map_err(sentence)
    }

    fn handle(batch: Batch) -> Result<Turn, String> {
        L::with(|instance| instance.handle(batch.layout, &batch.text, &batch.index))
            .map(turn)
            .map_err(sentence)
    }

    fn tick(tick: Tick) -> Result<Turn, String> {
        let timer = convert::cause(tick.cause);
        L::with(|instance| instance.tick(timer, tick.time)).map(turn).map_err(sentence)
    }

    fn save() -> Result<State, String> {
        L::with(|instance| instance.save()).map(convert::state).map_err(sentence)
    }

    fn restore(state: State) -> Result<(), String> {
        L::with(|instance| instance.restore(state.version, &state.bytes)).map_err(sentence)
    }

    fn statistics() -> Vec<Statistic> {
        convert::statistics(L::with(|instance| instance.statistics()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn sentence(error: Error) -> String {
    error.to_string()
}

fn describe<L: Listener>(instance: &ListenerInstance<L>) -> Description {
    let description = instance.description();
    let want = |want: &crate::listener::Want| events::Want {
        capability: want.capability.to_owned(),
        reason: want.reason.to_owned(),
    };
    Description {
        name: description.name.to_owned(),
        version: description.version.to_owned(),
        meaning: description.meaning.to_owned(),
        criteria: description.criteria.to_owned(),
        options: convert::options(instance.option_schemas()),
        wants: description.wants.iter().map(want).collect(),
        credentials: description.credentials.iter().map(|name| (*name).to_owned()).collect(),
        timers: convert::timers(&description.timers),
        state_version: L::STATE_VERSION,
    }
}

fn bound_schema(bound: WitSchema) -> BoundSchema {
    let column = |column: types::Column| BoundColumn {
        name: column.name,
        kind: convert::kind_back(column.kind),
        optional: column.optional,
        meaning: column.meaning,
    };
    let schema = bound.schema;
    BoundSchema::new(
        bound.instance,
        schema.name,
        convert::severity_back(schema.severity),
        &schema.summary,
        schema.meaning,
        schema.columns.into_iter().map(column).collect(),
    )
}

fn turn(effects: Vec<Effect>) -> Turn {
    Turn { effects: effects.into_iter().map(effect).collect() }
}

fn effect(effect: Effect) -> events::Effect {
    let target = effect.target.parts();
    let column = |column: &crate::effect::EffectColumn| types::Column {
        name: column.name.clone(),
        kind: convert::kind(column.kind),
        optional: column.optional,
        meaning: column.meaning.clone(),
    };
    events::Effect {
        capability: target.capability.clone(),
        target: target.name.clone(),
        columns: target.columns.iter().map(column).collect(),
        text: effect.text,
        index: effect.index,
    }
}
