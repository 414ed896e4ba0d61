//! The catalogue of error codes: what each means and how it is mended. `stepcast explain CODE` shows it.
//!
//! Hundreds: SC00 this command, the store, runs and inputs; SC01 the commands that draw, export and tidy, and graphs.

mod ended;
mod graphs;
mod inputs;
mod map;
mod more;
mod runs;
mod store;
mod usage;
mod workflows;

pub(crate) use self::map::Coded;
use crate::exit::Exit;

/// An error code with its explanation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CodeDoc {
    /// `SC` and four digits.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means and how it comes about.
    pub explanation: &'static str,
    /// How it is mended, by example.
    pub example: &'static str,
    /// A line that helps in most cases.
    pub help: Option<&'static str>,
    /// How a command ends that meets it.
    pub exit: Exit,
}

impl CodeDoc {
    /// A code whose command ends with 1.
    const fn new(code: &'static str, title: &'static str, explanation: &'static str, example: &'static str) -> CodeDoc {
        CodeDoc { code, title, explanation, example, help: None, exit: Exit::Failed }
    }

    const fn help(self, help: &'static str) -> CodeDoc {
        CodeDoc { help: Some(help), ..self }
    }

    const fn exit(self, exit: Exit) -> CodeDoc {
        CodeDoc { exit, ..self }
    }
}

const LISTS: [&[CodeDoc]; 8] = [
    usage::CODES,
    store::CODES,
    runs::CODES,
    workflows::CODES,
    inputs::CODES,
    ended::CODES,
    more::CODES,
    graphs::CODES,
];

/// All codes, in order.
pub fn code_docs() -> impl Iterator<Item = &'static CodeDoc> {
    LISTS.into_iter().flatten()
}

/// A code of the catalogue.
pub(crate) fn find(code: &str) -> Option<&'static CodeDoc> {
    code_docs().find(|doc| doc.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::code_docs;

    #[test]
    fn every_code_is_given_once_and_in_order() {
        let codes: Vec<&str> = code_docs().map(|doc| doc.code).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        for doc in code_docs() {
            let digits = doc.code.strip_prefix("SC").unwrap_or_default();
            assert!(digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", doc.code);
        }
    }

    #[test]
    fn every_code_is_explained() {
        for doc in code_docs() {
            assert!(!doc.title.is_empty() && !doc.title.ends_with('.'), "{}: a title is no sentence", doc.code);
            assert!(doc.explanation.len() > 60 && doc.explanation.ends_with('.'), "{}", doc.code);
            assert!(!doc.example.is_empty(), "{}", doc.code);
        }
    }
}
