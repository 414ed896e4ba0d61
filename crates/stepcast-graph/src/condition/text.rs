//! `path == literal`, `path != literal`, `path > 3`, `path in [..]`, `path contains x`, `exists path`, `path`, `!path`,
//! `not ..`, `.. and ..`, `.. or ..` and parentheses.

use serde_json::Value;

use super::{Condition, ConditionError, MAX_DEPTH, MAX_TEXT, Op};
use crate::path::Path;

pub(super) fn parse(text: &str) -> Result<Condition, ConditionError> {
    if text.len() > MAX_TEXT {
        return Err(ConditionError::TooLarge);
    }
    let mut reader = Reader { text, at: 0 };
    let condition = reader.any(0)?;
    reader.space();
    if reader.at == text.len() { Ok(condition) } else { Err(reader.expected("the end, `and` or `or`")) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn expected(&self, expected: &'static str) -> ConditionError {
        ConditionError::Text { offset: self.at, expected }
    }

    /// Takes a sign, if it is next.
    fn sign(&mut self, sign: &str) -> bool {
        self.space();
        let next = self.rest().starts_with(sign);
        self.at += if next { sign.len() } else { 0 };
        next
    }

    /// Takes a word, if it is next and ends there.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let rest = self.rest();
        let begins = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let ends = rest.get(word.len()..).is_some_and(|rest| !rest.starts_with(in_word));
        self.at += if begins && ends { word.len() } else { 0 };
        begins && ends
    }

    fn any(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut parts = vec![self.all(depth)?];
        while self.sign("||") || self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        let mut parts = vec![self.one(depth)?];
        while self.sign("&&") || self.word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(ConditionError::TooLarge);
        }
        if self.word("not") || self.sign("!") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.sign("(") {
            let inner = self.any(depth + 1)?;
            return if self.sign(")") { Ok(inner) } else { Err(self.expected("`)`")) };
        }
        if self.word("exists") {
            let brackets = self.sign("(");
            let path = self.path()?;
            if brackets && !self.sign(")") {
                return Err(self.expected("`)`"));
            }
            return Ok(Condition::Exists(path));
        }
        let path = self.path()?;
        let Some(op) = self.op() else { return Ok(Condition::True(path)) };
        let value = self.literal()?;
        Ok(Condition::Compare { path, op, value })
    }

    fn op(&mut self) -> Option<Op> {
        // The longer ones first.
        for sign in ["==", "!=", ">=", "<=", ">", "<"] {
            if self.sign(sign) {
                return Op::of(sign);
            }
        }
        let before = self.at;
        if self.word("not") {
            if self.word("in") {
                return Some(Op::NotIn);
            }
            self.at = before;
            return None;
        }
        ["in", "not_in", "contains"].into_iter().find(|word| self.word(word)).and_then(Op::of)
    }

    fn path(&mut self) -> Result<Path, ConditionError> {
        self.space();
        let rest = self.rest();
        let len = rest.find(|letter: char| !in_word(letter)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.expected("a path"));
        }
        let path = Path::parse(&rest[..len]).map_err(|source| ConditionError::Path { source, at: String::new() })?;
        self.at += len;
        Ok(path)
    }

    fn literal(&mut self) -> Result<Value, ConditionError> {
        self.space();
        let rest = self.rest();
        match rest.chars().next() {
            None => Err(self.expected("a value")),
            Some(quote @ ('\'' | '"')) => self.quoted(quote),
            Some('[' | '{') => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
                match values.next() {
                    Some(Ok(value)) => {
                        self.at += values.byte_offset();
                        Ok(value)
                    }
                    _ => Err(self.expected("a JSON list or object")),
                }
            }
            Some(_) => {
                let len = rest.find(|letter: char| !in_word(letter) && letter != '+').unwrap_or(rest.len());
                if len == 0 {
                    return Err(self.expected("a value"));
                }
                self.at += len;
                Ok(bare(&rest[..len]))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Value, ConditionError> {
        let mut value = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, letter)) => value.push(letter),
                    None => break,
                },
                letter if letter == quote => {
                    self.at += at + 1;
                    return Ok(value.into());
                }
                letter => value.push(letter),
            }
        }
        Err(self.expected("a closing quote"))
    }
}

fn one_or(mut parts: Vec<Condition>, many: impl Fn(Vec<Condition>) -> Condition) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn in_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '/' | '?' | '@' | '#' | '$' | '%' | '*')
}

/// A word without quotes: `true`, `false`, `null`, a number, else a text.
fn bare(word: &str) -> Value {
    match word.to_ascii_lowercase().as_str() {
        "true" => return true.into(),
        "false" => return false.into(),
        "null" | "none" => return Value::Null,
        _ => {}
    }
    if let Ok(whole) = word.parse::<i64>() {
        return whole.into();
    }
    // `nan` and `inf` are words.
    let number = word.parse::<f64>().ok().filter(|_| word.contains(|letter: char| letter.is_ascii_digit()));
    number.and_then(serde_json::Number::from_f64).map_or_else(|| word.into(), Value::Number)
}
