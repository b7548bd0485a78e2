//! Values as serde reads them: for parts of a stack whose form a type tells, such as the grants of capabilities that are
//! crates of their own.
//!
//! Scalars are text until it is known what is wanted, as everywhere in a stack: `010` may be a number or a name. A value
//! may stand where a list of one is wanted.

use std::fmt;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::node::{Key, Node, Value};
use super::problem::{Place, Problems, Wrong};
use super::{suggest, value};
use crate::limit;
use crate::text::clean;

/// Reads a value of a type; what is wrong is told where it stands.
pub(super) fn read<T: DeserializeOwned>(node: &Node, problems: &mut Problems) -> Option<T> {
    match T::deserialize(Reading(node)) {
        Ok(value) => Some(value),
        Err(Unfit { place, wrong }) => {
            problems.error(&place.unwrap_or_else(|| node.place.clone()), wrong);
            None
        }
    }
}

/// What does not fit, and where it stands.
#[derive(Debug)]
struct Unfit {
    place: Option<Place>,
    wrong: Wrong,
}

impl Unfit {
    /// The innermost place is the one that says most.
    fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.wrong)
    }
}

impl std::error::Error for Unfit {}

impl From<Wrong> for Unfit {
    fn from(wrong: Wrong) -> Self {
        Self { place: None, wrong }
    }
}

impl Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Wrong::new(message.to_string()).into()
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let name = clean(field, limit::NAME_BYTES_MAX);
        Wrong::new(format!("there is no `{name}` here"))
            .maybe(suggest::known(field, expected))
            .into()
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let name = clean(variant, limit::NAME_BYTES_MAX);
        let help = suggest::known(variant, expected);
        Wrong::new(format!("`{name}` is none of the choices")).maybe(help).into()
    }
}

struct Reading<'a>(&'a Node);

impl<'a> Reading<'a> {
    /// Does something with the value, and tells where it stands if that fails.
    fn here<T>(self, work: impl FnOnce(&'a Node) -> Result<T, Unfit>) -> Result<T, Unfit> {
        work(self.0).map_err(|error| error.at(&self.0.place))
    }

    fn text(self, expected: &str) -> Result<&'a str, Unfit> {
        self.here(|node| Ok(node.scalar(expected)?))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $kind:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
            self.here(|node| {
                let number = value::integer(node.scalar("a number")?)?;
                let wrong = || Wrong::new(format!(
                    "{number} is not between {} and {}", <$kind>::MIN, <$kind>::MAX
                ));
                visitor.$visit(<$kind>::try_from(number).map_err(|_| wrong())?)
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Reading<'_> {
    type Error = Unfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| match &node.value {
            Value::Null => visitor.visit_unit(),
            // Where anything may stand, as in the body of a message, quotes tell a text from a number.
            Value::Scalar { text, verbatim: Some(0) } => match text.as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                text => match (text.parse::<i64>(), value::float(text)) {
                    (Ok(number), _) => visitor.visit_i64(number),
                    (_, Ok(number)) => visitor.visit_f64(number),
                    _ => visitor.visit_str(text),
                },
            },
            Value::Scalar { text, .. } => visitor.visit_str(text),
            Value::List(nodes) => visitor.visit_seq(Items(nodes.iter())),
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| visitor.visit_bool(value::boolean(node.scalar("`true` or `false`")?)?))
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| visitor.visit_f64(value::float(node.scalar("a number")?)?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| visitor.visit_str(node.scalar("a text")?))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let place = &self.0.place;
        visitor.visit_newtype_struct(self).map_err(|error: Unfit| error.at(place))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| match &node.value {
            Value::List(nodes) => visitor.visit_seq(Items(nodes.iter())),
            Value::Null => visitor.visit_seq(Items([].iter())),
            _ => visitor.visit_seq(One(Some(node))),
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.here(|node| {
            let entries = node.map("a mapping")?.iter();
            visitor.visit_map(Entries { entries, value: None })
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unfit> {
        let node = self.0;
        let choice = match &node.value {
            Value::Map(entries) if entries.len() == 1 => {
                Choice(&entries[0].0.text, Some(&entries[0].1))
            }
            _ => Choice(self.text("one of the choices")?, None),
        };
        visitor.visit_enum(choice).map_err(|error: Unfit| error.at(&node.place))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unfit> {
        visitor.visit_unit()
    }
}

/// The values of a list.
struct Items<'a>(std::slice::Iter<'a, Arc<Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let read = |node: &Arc<Node>| {
            seed.deserialize(Reading(node)).map_err(|error| error.at(&node.place))
        };
        self.0.next().map(read).transpose()
    }
}

/// A value that stands where a list may.
struct One<'a>(Option<&'a Node>);

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Unfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unfit> {
        let read =
            |node: &Node| seed.deserialize(Reading(node)).map_err(|error| error.at(&node.place));
        self.0.take().map(read).transpose()
    }
}

/// The entries of a mapping.
struct Entries<'a> {
    entries: std::slice::Iter<'a, (Key, Arc<Node>)>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Unfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unfit> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some(node);
        let name: StrDeserializer<'_, Unfit> = key.text.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.at(&key.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unfit> {
        match self.value.take() {
            Some(node) => seed.deserialize(Reading(node)).map_err(|error| error.at(&node.place)),
            None => Err(Unfit::custom("a name without a value")),
        }
    }
}

/// One of several words, with what belongs to it: `bearer`, or `{ header: NAME }`.
struct Choice<'a>(&'a str, Option<&'a Node>);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Unfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Unfit> {
        let name: StrDeserializer<'_, Unfit> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Choice<'_> {
    fn alone(&self) -> Unfit {
        Unfit::custom(format_args!("`{}` stands alone", self.0))
    }

    fn with(&self) -> Unfit {
        Unfit::custom(format_args!("`{0}` needs a value; write `{{ {0}: VALUE }}`", self.0))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Unfit;

    fn unit_variant(self) -> Result<(), Unfit> {
        if self.1.is_some() { Err(self.alone()) } else { Ok(()) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unfit> {
        let Some(node) = self.1 else { return Err(self.with()) };
        seed.deserialize(Reading(node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Unfit> {
        Err(self.with())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Unfit> {
        Err(self.with())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::{Problems, read};
    use crate::stack::yaml;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Auth {
        Bearer,
        #[expect(dead_code, reason = "it is looked at in words")]
        Header(String),
    }

    fn check<T: DeserializeOwned + std::fmt::Debug>(text: &str, expected: &str) {
        let mut problems = Problems::default();
        let node = yaml::read(text, &"stack.yaml".into(), &mut problems).expect("a document");
        let found = match read::<T>(&node, &mut problems) {
            Some(value) => format!("{value:?}"),
            None => problems.finish(&[])[0].render(),
        };
        assert!(found.contains(expected), "{text}: {found}");
    }

    #[test]
    fn choices_may_have_a_value() {
        check::<Auth>("bearer", "Bearer");
        check::<Auth>("{ header: X-Api-Key }", "Header(\"X-Api-Key\")");
        check::<Auth>("{ bearer: x }", "`bearer` stands alone");
        check::<Auth>("header", "`header` needs a value; write `{ header: VALUE }`");
        check::<Auth>("{ header: [a] }", "expected a text");
        check::<Auth>("basic", "`basic` is none of the choices");
        check::<Auth>("{ bearer: x, header: y }", "expected one of the choices");
    }

    #[test]
    fn what_may_be_anything_is_what_it_looks_like() {
        let check = |text, expected: &str| {
            check::<serde_json::Value>(&format!("a: {text}"), &format!("\"a\": {expected}}}"));
        };
        check("5", "Number(5)");
        check("'5'", "String(\"5\")");
        check("0.5", "Number(0.5)");
        check("false", "Bool(false)");
        check("\"false\"", "String(\"false\")");
        check("no", "String(\"no\")");
        check("1.2.3.4", "String(\"1.2.3.4\")");
        check("~", "Null");
    }
}
