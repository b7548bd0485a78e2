//! The Secret Service of the session: what GNOME's keyring, KDE's wallet and `KeePassXC` offer to programs.
//!
//! A credential is an item with the attributes `service` and `username`, as other keyring programs write them too:
//! `secret-tool store --label=smtp service correlator username smtp` puts one there as well as
//! `correlator credential set smtp`. Nothing is unlocked from here: that takes somebody who types a password, and an engine
//! has nobody.

use correlator_world::Secret;

use crate::bus::{self, Address, BusError, Call, Connection, Message, Method, Reader, Writer};
use crate::holder::{Holder, Trouble};
use crate::limit;
use crate::name::Name;
use crate::variables::Variables;

const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const ITEM: &str = "org.freedesktop.Secret.Item";
/// How the service says that there is no such object.
const NONE: &str = "/";
/// The attributes of an item: whose it is, and which.
const OWNER: (&str, &str) = ("service", "correlator");
const NAME: &str = "username";
const LOCKED: &str =
    "it is locked; unlock it by signing in to the session, or with the program that keeps it";

/// What helps where nobody answers at the session's bus.
const ANEW: &str = "sign in to the session again, unset DBUS_SESSION_BUS_ADDRESS where there is none, or leave `keyring` out \
                    of the `order` in the stack's `credentials`";

/// The Secret Service.
pub(crate) struct Service {
    address: Option<Address>,
}

/// The service, with a session in which secrets are handed over.
struct Talk {
    bus: Connection,
    session: String,
}

/// Items that were found: those that can be read, and whether there are others.
struct Items {
    open: Vec<String>,
    locked: bool,
}

impl Service {
    pub fn new(variables: &Variables) -> Self {
        Self { address: bus::session(variables) }
    }

    fn talk(&self) -> Result<Talk, Trouble> {
        let Some(address) = &self.address else {
            return Err(Trouble::Absent(
                "there is no bus of a session ($DBUS_SESSION_BUS_ADDRESS)".into(),
            ));
        };
        let mut bus = Connection::open(address, limit::BUS_WAIT).map_err(|error| {
            Trouble::Unreachable(format!("the session's bus at {address}: {error}; {ANEW}"))
        })?;
        let call = root("OpenSession", "sv", |writer| {
            writer.text("plain");
            writer.variant("s", |value| value.text(""));
        });
        let answer = bus.call(call).map_err(|error| failed(&error))?;
        let session = understood(&answer, |body| {
            (body.signature()? == "s").then_some(())?;
            body.text()?;
            body.text().map(str::to_owned)
        })?;
        Ok(Talk { bus, session })
    }
}

impl Talk {
    fn search(&mut self, attributes: &[(&str, &str)]) -> Result<Items, Trouble> {
        let call = root("SearchItems", "a{ss}", |writer| writer.texts(attributes));
        let answer = self.bus.call(call).map_err(|error| failed(&error))?;
        understood(&answer, |body| {
            let open = body.texts()?.into_iter().map(str::to_owned).collect();
            let locked = !body.texts()?.is_empty();
            Some(Items { open, locked })
        })
    }

    fn find(&mut self, name: &Name) -> Result<Items, Trouble> {
        self.search(&[OWNER, (NAME, name.as_str())])
    }

    fn secret(&mut self, item: &str) -> Result<Secret, Trouble> {
        let session = self.session.clone();
        let call = object(item, ITEM, "GetSecret", "o", |writer| writer.text(&session));
        let answer = self.bus.call(call).map_err(|error| failed(&error))?;
        understood(&answer, |body| {
            body.structure()?;
            (body.text()? == session).then_some(())?;
            // What a cipher would need; a plain session has none.
            body.blob()?;
            body.blob().map(|secret| Secret::new(secret.to_vec()))
        })
    }

    /// The collection that new items go to.
    fn collection(&mut self) -> Result<String, Trouble> {
        let call = root("ReadAlias", "s", |writer| writer.text("default"));
        let answer = self.bus.call(call).map_err(|error| failed(&error))?;
        let path = understood(&answer, |body| body.text().map(str::to_owned))?;
        if path == NONE {
            return Err(Trouble::Unreachable(
                "it has no default collection; sign in to the session once, or make one with the program that keeps it".into(),
            ));
        }
        Ok(path)
    }

    fn create(&mut self, name: &Name, secret: &Secret) -> Result<(), Trouble> {
        let collection = self.collection()?;
        let session = self.session.clone();
        let write = |writer: &mut Writer| {
            writer.array(8, |properties| {
                properties.structure(|property| {
                    property.text("org.freedesktop.Secret.Item.Label");
                    let label = format!("{name} (correlator)");
                    property.variant("s", |value| value.text(&label));
                });
                properties.structure(|property| {
                    property.text("org.freedesktop.Secret.Item.Attributes");
                    let attributes = [OWNER, (NAME, name.as_str())];
                    property.variant("a{ss}", |value| value.texts(&attributes));
                });
            });
            writer.structure(|writer| {
                writer.text(&session);
                writer.blob(&[]);
                writer.blob(secret.reveal());
                writer.text("application/octet-stream");
            });
            writer.boolean(true);
        };
        let method = Method {
            service: SERVICE,
            object: &collection,
            interface: COLLECTION,
            name: "CreateItem",
        };
        let call = Call::with_room(method, "a{sv}(oayays)b", secret.reveal().len(), write);
        let answer = self.bus.call(call).map_err(|error| failed(&error))?;
        let (item, prompt) =
            understood(&answer, |body| Some((body.text()?.to_owned(), body.text()?.to_owned())))?;
        if item == NONE || prompt != NONE { Err(locked()) } else { Ok(()) }
    }

    fn delete(&mut self, item: &str) -> Result<(), Trouble> {
        let answer = self
            .bus
            .call(object(item, ITEM, "Delete", "", |_| {}))
            .map_err(|error| failed(&error))?;
        let prompt = understood(&answer, |body| body.text().map(str::to_owned))?;
        if prompt == NONE { Ok(()) } else { Err(locked()) }
    }

    /// The name of an item, if it has one that a credential may have.
    fn name(&mut self, item: &str) -> Result<Option<Name>, Trouble> {
        let properties = "org.freedesktop.DBus.Properties";
        let call = object(item, properties, "Get", "ss", |writer| {
            writer.text(ITEM);
            writer.text("Attributes");
        });
        let answer = self.bus.call(call).map_err(|error| failed(&error))?;
        let name = understood(&answer, |body| {
            (body.signature()? == "a{ss}").then_some(())?;
            let pairs = body.pairs()?;
            Some(pairs.iter().find(|(key, _)| *key == NAME).map(|(_, name)| (*name).to_owned()))
        })?;
        Ok(name.and_then(|name| Name::parse(&name).ok()))
    }
}

impl Holder for Service {
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble> {
        let mut talk = self.talk()?;
        let items = talk.find(name)?;
        match items.open.first() {
            Some(item) => talk.secret(item).map(Some),
            None if items.locked => Err(locked()),
            None => Ok(None),
        }
    }

    fn set(&self, name: &Name, secret: &Secret) -> Result<(), Trouble> {
        let mut talk = self.talk()?;
        talk.create(name, secret)?;
        // Other programs may have put the same name there with attributes of their own: it would be found in the new one's
        // place.
        let items = talk.find(name)?;
        for item in &items.open {
            if talk.secret(item)? != *secret {
                talk.delete(item)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<Name>, Trouble> {
        let mut talk = self.talk()?;
        let items = talk.search(&[OWNER])?;
        let mut names = Vec::new();
        for item in &items.open {
            names.extend(talk.name(item)?);
        }
        if items.locked { Err(locked()) } else { Ok(names) }
    }

    fn remove(&self, name: &Name) -> Result<bool, Trouble> {
        let mut talk = self.talk()?;
        let items = talk.find(name)?;
        for item in &items.open {
            talk.delete(item)?;
        }
        if items.locked { Err(locked()) } else { Ok(!items.open.is_empty()) }
    }
}

fn root(name: &str, signature: &str, arguments: impl FnOnce(&mut Writer)) -> Call {
    object(ROOT, INTERFACE, name, signature, arguments)
}

fn object(
    object: &str,
    interface: &str,
    name: &str,
    signature: &str,
    arguments: impl FnOnce(&mut Writer),
) -> Call {
    Call::new(Method { service: SERVICE, object, interface, name }, signature, arguments)
}

fn understood<T>(
    answer: &Message,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, Trouble> {
    read(&mut answer.body()).ok_or_else(|| failed(&BusError::Garbled))
}

fn locked() -> Trouble {
    Trouble::Unreachable(LOCKED.into())
}

fn failed(error: &BusError) -> Trouble {
    let BusError::Failed(name, words) = error else {
        return Trouble::Unreachable(format!("the Secret Service: {error}; {ANEW}"));
    };
    match name.as_str() {
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
            Trouble::Absent("no program of the session offers the Secret Service".into())
        }
        "org.freedesktop.Secret.Error.IsLocked" => locked(),
        _ => Trouble::Unreachable(format!("the Secret Service says {name}: {words}")),
    }
}
