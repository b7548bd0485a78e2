//! Doc comments as sentences: what a schema says that something means.

use proc_macro2::Span;
use syn::{Attribute, Error, Expr, ExprLit, Lit, Meta, Result};

/// The doc comment as one line: a line break is a space. What follows an empty line is for programmers and left out.
pub fn of(attributes: &[Attribute], what: &str, span: Span) -> Result<String> {
    let mut words: Vec<String> = Vec::new();
    for attribute in attributes {
        let Some(line) = doc_line(attribute) else { continue };
        if line.trim().is_empty() && !words.is_empty() {
            break;
        }
        words.extend(line.split_whitespace().map(str::to_owned));
    }
    if words.is_empty() {
        return Err(Error::new(
            span,
            format!("{what} needs a doc comment: it is what people read"),
        ));
    }
    Ok(words.join(" "))
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    if !pair.path.is_ident("doc") {
        return None;
    }
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}
