//! `#[derive(Options)]`.

use correlator_frame::span;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Expr, ExprArray, ExprLit, ExprUnary, Field, Fields, Lit, LitStr,
    Result, Type, UnOp,
};

use crate::{meaning, name};

/// What `#[option(...)]` says.
#[derive(Default)]
struct Declared {
    default: Option<Expr>,
    at_least: Option<Expr>,
    at_most: Option<Expr>,
    choices: Vec<LitStr>,
}

/// What the field's type makes of the option, as far as its name tells.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Integer,
    Float,
    Boolean,
    Text,
    Duration,
}

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "options are a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "options need names: use named fields"));
    };
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new(parameter.span(), "options can't be generic"));
    }
    let schemas = fields.named.iter().map(schema).collect::<Result<Vec<_>>>()?;
    let reads = fields.named.iter().map(|field| {
        let ident = &field.ident;
        let name = option_name(field);
        quote! { #ident: ::correlator_sdk::options::read_one(settings, #name)? }
    });
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::correlator_sdk::options::Options for #ident {
            fn schemas() -> ::std::vec::Vec<::correlator_sdk::options::OptionSchema> {
                ::std::vec![#(#schemas),*]
            }

            fn read(
                settings: &[::correlator_sdk::options::Setting],
            ) -> ::std::result::Result<Self, ::correlator_sdk::Error> {
                ::std::result::Result::Ok(Self { #(#reads),* })
            }
        }
    })
}

fn option_name(field: &Field) -> String {
    let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    ident.trim_start_matches("r#").to_owned()
}

fn schema(field: &Field) -> Result<TokenStream> {
    let place = field.ident.as_ref().map_or_else(|| field.span(), Spanned::span);
    let name = option_name(field);
    name::check(&name, place)?;
    let meaning = meaning::of(&field.attrs, "an option", place)?;
    let kind = kind_of(&field.ty)?;
    let declared = declared(field)?;
    check_fit(&declared, kind, place)?;
    let ty = &field.ty;
    let default = if let Some(default) = &declared.default {
        let value = default_value(default, kind, &declared.choices)?;
        quote! { ::std::option::Option::Some(#value) }
    } else {
        quote! { ::std::option::Option::None }
    };
    let at_least = bound(declared.at_least.as_ref(), kind)?;
    let at_most = bound(declared.at_most.as_ref(), kind)?;
    let choices = &declared.choices;
    Ok(quote! {
        ::correlator_sdk::options::OptionSchema {
            name: #name,
            kind: <#ty as ::correlator_sdk::options::OptionValue>::KIND,
            meaning: #meaning,
            default: #default,
            at_least: #at_least.or(<#ty as ::correlator_sdk::options::OptionValue>::BOUNDS.0),
            at_most: #at_most.or(<#ty as ::correlator_sdk::options::OptionValue>::BOUNDS.1),
            choices: &[#(#choices),*],
        }
    })
}

fn kind_of(ty: &Type) -> Result<Kind> {
    let name = match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    };
    match name.as_deref() {
        Some("i64" | "i32" | "u16" | "u32" | "u64" | "usize") => Ok(Kind::Integer),
        Some("f64") => Ok(Kind::Float),
        Some("bool") => Ok(Kind::Boolean),
        Some("String") => Ok(Kind::Text),
        Some("Duration") => Ok(Kind::Duration),
        _ => Err(Error::new(
            ty.span(),
            "an option is an i64, i32, u16, u32, u64, usize, f64, bool, String or Duration",
        )),
    }
}

fn declared(field: &Field) -> Result<Declared> {
    let mut declared = Declared::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("option")) {
        attribute.parse_nested_meta(|item| read_item(&item, &mut declared))?;
    }
    Ok(declared)
}

fn read_item(item: &ParseNestedMeta<'_>, declared: &mut Declared) -> Result<()> {
    if item.path.is_ident("default") {
        declared.default = Some(item.value()?.parse()?);
    } else if item.path.is_ident("at_least") {
        declared.at_least = Some(item.value()?.parse()?);
    } else if item.path.is_ident("at_most") {
        declared.at_most = Some(item.value()?.parse()?);
    } else if item.path.is_ident("choices") {
        let list: ExprArray = item.value()?.parse()?;
        for choice in &list.elems {
            declared.choices.push(text(choice)?.clone());
        }
    } else {
        return Err(item.error("an option can have `default`, `at_least`, `at_most`, `choices`"));
    }
    Ok(())
}

fn check_fit(declared: &Declared, kind: Kind, place: Span) -> Result<()> {
    let bounded = declared.at_least.is_some() || declared.at_most.is_some();
    if bounded && !matches!(kind, Kind::Integer | Kind::Duration) {
        return Err(Error::new(place, "only numbers and durations have bounds"));
    }
    if !declared.choices.is_empty() && kind != Kind::Text {
        return Err(Error::new(place, "only text has choices"));
    }
    Ok(())
}

fn default_value(default: &Expr, kind: Kind, choices: &[LitStr]) -> Result<TokenStream> {
    let owned = quote! { ::correlator_sdk::value::OwnedValue };
    Ok(match kind {
        Kind::Integer => {
            let number = number(default, kind)?;
            quote! { #owned::Integer(#number) }
        }
        Kind::Duration => {
            let nanoseconds = number(default, kind)?;
            quote! {
                #owned::Duration(::correlator_sdk::Duration::from_nanoseconds(#nanoseconds))
            }
        }
        Kind::Float => quote! { #owned::Float(#default) },
        Kind::Boolean => quote! { #owned::Boolean(#default) },
        Kind::Text => {
            let given = text(default)?;
            let known = choices.iter().any(|choice| choice.value() == given.value());
            if !choices.is_empty() && !known {
                return Err(Error::new(given.span(), "the default is none of the choices"));
            }
            quote! { #owned::Text(::std::string::String::from(#given)) }
        }
    })
}

fn bound(bound: Option<&Expr>, kind: Kind) -> Result<TokenStream> {
    match bound {
        Some(bound) => {
            let number = number(bound, kind)?;
            Ok(quote! { ::std::option::Option::Some(#number) })
        }
        None => Ok(quote! { ::std::option::Option::<i64>::None }),
    }
}

/// The 64-bit number of an integer, or of a duration that is written as text.
fn number(expression: &Expr, kind: Kind) -> Result<i64> {
    if kind == Kind::Duration {
        let written = text(expression)?;
        let sentence = "no duration: write it like \"300s\", \"5m\", \"48h\", \"7d\" or \"250ms\"";
        return span::parse(&written.value()).ok_or_else(|| Error::new(written.span(), sentence));
    }
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            number(expr, kind).map(|number| -number)
        }
        _ => Err(Error::new(expression.span(), "a number must stand here")),
    }
}

fn text(expression: &Expr) -> Result<&LitStr> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        _ => Err(Error::new(expression.span(), "text must stand here, in quotes")),
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_str};

    #[test]
    fn mistakes_are_told() {
        let check = |field: &str, expected: &str| {
            let source = format!("struct Options {{ /// One.\n {field} }}");
            let input = parse_str::<DeriveInput>(&source).unwrap_or_else(|error| panic!("{error}"));
            let told = super::derive(&input).err().map(|error| error.to_string());
            match told {
                Some(told) => assert!(!expected.is_empty() && told.contains(expected), "{told}"),
                None => assert!(expected.is_empty(), "{field} was taken"),
            }
        };
        check("#[option(default = -1, at_least = -5, at_most = 5)] a: i64", "");
        check("#[option(default = \"5m\", at_most = \"48h\")] a: Duration", "");
        check("#[option(default = 0.5)] a: f64", "");
        check("#[option(default = true)] a: bool", "");
        check("a: String", "");
        check("#[option(default = 300)] a: Duration", "text must stand here");
        check("#[option(default = \"300\")] a: Duration", "no duration");
        check("#[option(default = \"5\")] a: u64", "a number must stand here");
        check(
            "#[option(default = \"c\", choices = [\"a\", \"b\"])] a: String",
            "none of the choices",
        );
        check("#[option(choices = [\"a\"])] a: u64", "only text has choices");
        check("#[option(at_least = 1)] a: bool", "only numbers and durations have bounds");
        check("#[option(least = 1)] a: u64", "an option can have");
        check("a: Vec<u8>", "an option is an i64");
    }

    #[test]
    fn an_option_needs_a_doc_comment() {
        let input = parse_str::<DeriveInput>("struct Options { a: u64 }");
        let told = input.and_then(|input| super::derive(&input)).err();
        let told = told.map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("an option needs a doc comment"), "{told}");
    }
}
