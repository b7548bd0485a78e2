//! Everything that a guest needs: `use correlator_sdk::prelude::*;`.

pub use bstr::{BStr, BString, ByteSlice};
pub use correlator_frame::severity::Severity;
pub use correlator_frame::value::{Kind, Value};
pub use correlator_sdk_derive::{Event, Options};
pub use serde::{Deserialize, Serialize};

pub use crate::description::{Cause, Description, Interest, Statistic, Tick, Timer};
pub use crate::effect::{EffectColumn, EffectTurn, Target};
pub use crate::error::Error;
pub use crate::event::{Event, Events};
pub use crate::keep::{Expiring, Pair, PairRef, Transactions, Window, Windows};
pub use crate::listener::{BoundColumn, BoundSchema, Listener, ListenerDescription};
pub use crate::module::Module;
pub use crate::options::Options as _;
pub use crate::record::{Field, Hit, Record};
pub use crate::schema::EventType as _;
pub use crate::time::{Duration, Time};
pub use crate::turn::Turn;
