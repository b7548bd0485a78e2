//! From words and signs to an expression.

use super::token::{Placed, Token, tokens};
use super::{Compare, CriteriaError, Expression, Part, Test, Word};
use crate::limit;
use crate::stack::problem::Wrong;
use crate::stack::suggest;

/// Words that are no names of fields.
const KEYWORDS: [&str; 11] = [
    "and",
    "or",
    "not",
    "in",
    "exists",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "true",
    "false",
];
/// What may stand between a field and a value.
const TESTS: [&str; 7] = ["in", "not", "exists", "contains", "starts_with", "ends_with", "matches"];

/// Reads an expression; an empty text is one that every event meets.
pub(super) fn parse(text: &str) -> Result<Expression, CriteriaError> {
    if text.len() > limit::CRITERIA_BYTES_MAX {
        let wrong = format!("criteria have at most {} bytes", limit::CRITERIA_BYTES_MAX);
        return Err(CriteriaError { start: 0, width: 1, wrong: Wrong::new(wrong) });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.peek() == &Token::End {
        return Ok(Expression::Constant(true));
    }
    let expression = parser.any()?;
    match parser.peek() {
        Token::End => Ok(expression),
        Token::Close => Err(parser.wrong(Wrong::new("this `)` closes nothing"))),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn advance(&mut self) {
        // The end stays the end.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn wrong(&self, wrong: Wrong) -> CriteriaError {
        let (_, start, width) = self.tokens[self.at];
        CriteriaError { start, width, wrong }
    }

    fn expected(&self, what: &str) -> CriteriaError {
        let wrong = Wrong::new(format!("expected {what}, found {}", self.peek().found()));
        let help = match self.peek() {
            Token::Word(word) if !word.quoted => {
                let known: Vec<_> =
                    KEYWORDS.into_iter().filter(|known| *known != word.text).collect();
                suggest::nearest(&word.text, &known).map(|near| format!("did you mean `{near}`?"))
            }
            _ => None,
        };
        self.wrong(wrong.maybe(help))
    }

    /// Takes this keyword if it is next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.peek(), Token::Word(word) if !word.quoted && word.text == keyword);
        if found {
            self.advance();
        }
        found
    }

    fn any(&mut self) -> Result<Expression, CriteriaError> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, CriteriaError> {
        let mut parts = vec![self.not()?];
        while self.keyword("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn not(&mut self) -> Result<Expression, CriteriaError> {
        let mut negated = false;
        while self.keyword("not") {
            negated = !negated;
        }
        let expression = self.one()?;
        Ok(if negated { Expression::Not(Box::new(expression)) } else { expression })
    }

    fn one(&mut self) -> Result<Expression, CriteriaError> {
        if self.peek() == &Token::Open {
            return self.parenthesis();
        }
        if self.keyword("true") {
            return Ok(Expression::Constant(true));
        }
        if self.keyword("false") {
            return Ok(Expression::Constant(false));
        }
        if self.keyword("exists") {
            let field = self.field()?;
            return Ok(Expression::Test(Test { field, compare: Compare::Exists }));
        }
        let field = self.field()?;
        let compare = self.compare(&field)?;
        Ok(Expression::Test(Test { field, compare }))
    }

    fn parenthesis(&mut self) -> Result<Expression, CriteriaError> {
        if self.depth == limit::CRITERIA_DEPTH_MAX {
            let wrong = format!("parentheses nest deeper than {}", limit::CRITERIA_DEPTH_MAX);
            return Err(self.wrong(Wrong::new(wrong)));
        }
        let (_, start, width) = self.tokens[self.at];
        self.advance();
        self.depth += 1;
        let expression = self.any()?;
        self.depth -= 1;
        match self.peek() {
            Token::Close => self.advance(),
            Token::End => {
                let wrong = Wrong::new("this `(` is not closed").help("add a `)`");
                return Err(CriteriaError { start, width, wrong });
            }
            _ => return Err(self.expected("`and`, `or` or `)`")),
        }
        Ok(expression)
    }

    fn field(&mut self) -> Result<Word, CriteriaError> {
        match self.peek() {
            Token::Word(word) if !word.quoted && !KEYWORDS.contains(&word.text.as_str()) => {
                let word = word.clone();
                self.advance();
                Ok(word)
            }
            _ => Err(self.expected("the name of a field")),
        }
    }

    fn value(&mut self, what: &str) -> Result<Word, CriteriaError> {
        match self.peek() {
            Token::Word(word) => {
                let word = word.clone();
                self.advance();
                Ok(word)
            }
            _ => Err(self.expected(what)),
        }
    }

    fn compare(&mut self, field: &Word) -> Result<Compare, CriteriaError> {
        match self.peek().clone() {
            Token::Order(order) => {
                self.advance();
                return Ok(Compare::Order(order, self.value("a value")?));
            }
            Token::End | Token::Close => return Ok(Compare::True),
            Token::Word(word) if word.quoted => {}
            Token::Word(word) => match word.text.as_str() {
                "and" | "or" => return Ok(Compare::True),
                test if TESTS.contains(&test) => return self.worded(),
                _ => {}
            },
            _ => {}
        }
        let what =
            format!("a comparison such as `==` or `in` after `{}`", field.text.escape_debug());
        let Token::Word(word) = self.peek() else { return Err(self.expected(&what)) };
        let wrong = Wrong::new(format!("expected {what}, found {}", self.peek().found()));
        let near = suggest::nearest(
            &word.text,
            &["and", "or", "in", "exists", "contains", "starts_with", "ends_with", "matches"],
        );
        Err(self.wrong(wrong.maybe(near.map(|near| format!("did you mean `{near}`?")))))
    }

    /// A comparison that is a word.
    fn worded(&mut self) -> Result<Compare, CriteriaError> {
        let parts = [Part::Anywhere, Part::Start, Part::End, Part::Pattern];
        for part in parts {
            if self.keyword(part.name()) {
                return Ok(Compare::Text(part, self.value("a text in quotes")?));
            }
        }
        if self.keyword("exists") {
            return Ok(Compare::Exists);
        }
        let negated = self.keyword("not");
        if !self.keyword("in") {
            return Err(self.expected("`in` after `not`"));
        }
        let list = self.peek() == &Token::OpenList;
        let words = if list { self.list()? } else { vec![self.value("a list or a network")?] };
        Ok(Compare::In { words, list, negated })
    }

    fn list(&mut self) -> Result<Vec<Word>, CriteriaError> {
        self.advance();
        let mut words = Vec::new();
        while self.peek() != &Token::CloseList {
            words.push(self.value("a value or `]`")?);
            match self.peek() {
                Token::Comma => self.advance(),
                Token::CloseList => {}
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
        if words.is_empty() {
            return Err(self.wrong(Wrong::new("this list is empty, so nothing can be in it")));
        }
        self.advance();
        Ok(words)
    }
}
