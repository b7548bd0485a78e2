//! `#[derive(Event)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Data, DeriveInput, Error, Field, Fields, GenericParam, Ident, Lifetime, LitStr, Result, Type,
    TypeReference,
};

use crate::{meaning, name, template};

/// As many as the mask of absent columns has bits.
const COLUMNS_MAX: usize = 64;
/// The contract's severities with the variants of the SDK's enum.
const SEVERITIES: [(&str, &str); 8] = [
    ("emergency", "Emergency"),
    ("alert", "Alert"),
    ("critical", "Critical"),
    ("error", "Error"),
    ("warning", "Warning"),
    ("notice", "Notice"),
    ("informational", "Informational"),
    ("debug", "Debug"),
];

/// What `#[event(...)]` says.
struct Declared {
    name: String,
    severity: Ident,
    summary: LitStr,
}

/// A field and what the schema says of it.
struct Column<'a> {
    field: &'a Field,
    name: String,
    meaning: String,
}

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    check_generics(input)?;
    let columns = fields.into_iter().map(column).collect::<Result<Vec<_>>>()?;
    check_columns(&columns, input.ident.span())?;
    let declared = declared(input)?;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    template::check(&declared.summary.value(), &names)
        .map_err(|sentence| Error::new(declared.summary.span(), sentence))?;
    let meaning = meaning::of(&input.attrs, "an event", input.ident.span())?;
    Ok(implementation(input, &declared, &columns, &meaning))
}

/// The fields of a struct with named ones; a struct without any is an event without columns.
fn named_fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => {
                Err(Error::new(fields.span(), "columns need names: use named fields"))
            }
        },
        _ => Err(Error::new(input.ident.span(), "an event is a struct")),
    }
}

fn check_generics(input: &DeriveInput) -> Result<()> {
    for parameter in &input.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let sentence = "an event has one schema, so it can be generic over lifetimes only";
            return Err(Error::new(parameter.span(), sentence));
        }
    }
    Ok(())
}

fn column(field: &Field) -> Result<Column<'_>> {
    let span = field.ident.as_ref().map_or_else(|| field.span(), Spanned::span);
    let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut name = (ident.trim_start_matches("r#").to_owned(), span);
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("column")) {
        attribute.parse_nested_meta(|item| {
            if !item.path.is_ident("name") {
                return Err(item.error("a column can have a `name` here, nothing else"));
            }
            let given: LitStr = item.value()?.parse()?;
            name = (given.value(), given.span());
            Ok(())
        })?;
    }
    name::check_column(&name.0, name.1)?;
    let meaning = meaning::of(&field.attrs, "a column", span)?;
    Ok(Column { field, name: name.0, meaning })
}

fn check_columns(columns: &[Column<'_>], span: Span) -> Result<()> {
    if columns.len() > COLUMNS_MAX {
        let sentence = format!("{} columns, but {COLUMNS_MAX} is the most", columns.len());
        return Err(Error::new(span, sentence));
    }
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|earlier| earlier.name == column.name) {
            let sentence = format!("two columns are called `{}`", column.name);
            return Err(Error::new(column.field.span(), sentence));
        }
    }
    Ok(())
}

fn declared(input: &DeriveInput) -> Result<Declared> {
    let mut name = (name::snake_case(&input.ident.to_string()), input.ident.span());
    let mut severity = format_ident!("Informational");
    let mut summary = None;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|item| {
            if item.path.is_ident("name") {
                let given: LitStr = item.value()?.parse()?;
                name = (given.value(), given.span());
            } else if item.path.is_ident("severity") {
                severity = severity_variant(&item.value()?.parse()?)?;
            } else if item.path.is_ident("summary") {
                summary = Some(item.value()?.parse()?);
            } else {
                return Err(item.error("an event can have `name`, `severity` and `summary` here"));
            }
            Ok(())
        })?;
    }
    name::check(&name.0, name.1)?;
    let missing = "an event needs a line for people: #[event(summary = \"{column} ...\")]";
    let summary = summary.ok_or_else(|| Error::new(input.ident.span(), missing))?;
    Ok(Declared { name: name.0, severity, summary })
}

fn severity_variant(given: &LitStr) -> Result<Ident> {
    let wanted = given.value();
    if let Some((_, variant)) = SEVERITIES.iter().find(|(name, _)| *name == wanted) {
        return Ok(format_ident!("{variant}"));
    }
    let names: Vec<&str> = SEVERITIES.iter().map(|(name, _)| *name).collect();
    let sentence = format!("{wanted:?} is no severity; there are: {}", names.join(", "));
    Err(Error::new(given.span(), sentence))
}

fn implementation(
    input: &DeriveInput,
    declared: &Declared,
    columns: &[Column<'_>],
    meaning: &str,
) -> TokenStream {
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let Declared { name, severity, summary } = declared;
    let schemas = columns.iter().map(column_schema);
    let writes = columns.iter().map(|column| {
        let field = &column.field.ident;
        quote! { cells.push(&self.#field); }
    });
    quote! {
        #[automatically_derived]
        impl #generics ::correlator_sdk::schema::EventType for #ident #arguments #bounds {
            fn schema() -> &'static ::correlator_sdk::schema::EventSchema {
                static SCHEMA: ::correlator_sdk::schema::EventSchema =
                    ::correlator_sdk::schema::EventSchema {
                        name: #name,
                        severity: ::correlator_sdk::prelude::Severity::#severity,
                        summary: #summary,
                        meaning: #meaning,
                        columns: &[#(#schemas),*],
                    };
                &SCHEMA
            }

            #[inline]
            fn write(&self, cells: &mut ::correlator_sdk::Cells<'_>) {
                #(#writes)*
            }
        }
    }
}

fn column_schema(column: &Column<'_>) -> TokenStream {
    let Column { field, name, meaning } = column;
    let mut kind: Type = field.ty.clone();
    Everlasting.visit_type_mut(&mut kind);
    quote! {
        ::correlator_sdk::schema::Column {
            name: #name,
            kind: <#kind as ::correlator_sdk::value::ColumnValue>::KIND,
            optional: <#kind as ::correlator_sdk::value::ColumnValue>::OPTIONAL,
            meaning: #meaning,
        }
    }
}

/// Makes every lifetime in a type `'static`: a static knows no others, and a kind doesn't depend on them.
struct Everlasting;

impl VisitMut for Everlasting {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        let span = reference.and_token.span();
        reference.lifetime.get_or_insert_with(|| Lifetime::new("'static", span));
        visit_mut::visit_type_reference_mut(self, reference);
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_str};

    /// What an author reads who writes this.
    fn error(source: &str) -> String {
        let input = parse_str::<DeriveInput>(source).unwrap_or_else(|error| panic!("{error}"));
        super::derive(&input).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn mistakes_are_told() {
        let check = |source: &str, expected: &str| {
            let told = error(source);
            assert!(told.contains(expected), "{source}: {told:?}");
        };
        let fine = "/// It.\n#[event(summary = \"{a}\")] struct E<'a> { /// One.\n a: &'a str }";
        assert_eq!(error(fine), "");
        assert_eq!(error("/// It.\n#[event(summary = \"\")] struct E;"), "");
        check("#[event(summary = \"\")] struct E;", "an event needs a doc comment");
        check("/// It.\nstruct E;", "needs a line for people");
        check(
            "/// It.\n#[event(summary = \"\")] struct E { a: u8 }",
            "a column needs a doc comment",
        );
        check(
            "/// It.\n#[event(summary = \"{b}\")] struct E { /// One.\n a: u8 }",
            "`{b}` names no column; there are: a",
        );
        check(
            "/// It.\n#[event(summary = \"\", severity = \"bad\")] struct E;",
            "\"bad\" is no severity; there are: emergency",
        );
        check("/// It.\n#[event(summary = \"\", name = \"Bad\")] struct E;", "is no name");
        check("/// It.\n#[event(colour = \"red\")] struct E;", "`name`, `severity` and `summary`");
        check(
            "/// It.\n#[event(summary = \"\")] struct E { /// One.\n time: u8 }",
            "`time` is taken",
        );
        check(
            "/// It.\n#[event(summary = \"\")] struct E { /// One.\n a: u8, \
             /// Two.\n#[column(name = \"a\")] b: u8 }",
            "two columns are called `a`",
        );
        check("/// It.\n#[event(summary = \"\")] struct E(u8);", "use named fields");
        check("/// It.\n#[event(summary = \"\")] enum E { A }", "an event is a struct");
        check(
            "/// It.\n#[event(summary = \"\")] struct E<T> { /// One.\n a: T }",
            "lifetimes only",
        );
        let columns: Vec<_> = (0..65).map(|n| format!("/// One.\n c{n}: u8,")).collect();
        let columns = columns.concat();
        check(
            &format!("/// It.\n#[event(summary = \"\")] struct E {{ {columns} }}"),
            "65 columns, but 64 is the most",
        );
    }
}
