//! What was given with `--input` and `--arg`, and how it becomes the value of an event.

use std::io::Read;

use serde_json::{Map, Value};
use stepcast::EventMeta;

use super::echo::ask_hidden;
use super::fields::yes_or_no;
use super::{blame, unknown_field};
use crate::error::CliError;
use crate::text::nearest;

/// How deep an argument's path may lead.
const MAX_PATH: usize = 64;
/// How many ways to read the arguments are tried.
const MAX_TRIES: usize = 4096;

/// The options that give an event's data.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct InputArgs {
    /// The start event as JSON; `@FILE` for a file, `-` for standard input
    #[arg(long, short, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// One field of it; dots lead into objects; may be given several times
    #[arg(long = "arg", short, value_name = "KEY=VALUE")]
    pub(crate) args: Vec<String>,
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
}

/// Fields whose values are on no command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SecretArgs {
    /// One field that is asked for on this terminal, where it is not shown; may be given several times
    #[arg(long = "secret", value_name = "KEY")]
    secret: Vec<String>,
}

impl InputArgs {
    /// Reads what the options say, and asks for what is secret.
    pub(crate) fn read(&self) -> Result<Given, CliError> {
        Given::read(self.input.as_deref(), &self.args)?.and_secrets(&self.secrets)
    }
}

/// Data that was given, not yet held against a type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    base: Option<Value>,
    args: Vec<(Vec<String>, String)>,
}

impl Given {
    /// Reads what the options say.
    pub(crate) fn read(input: Option<&str>, args: &[String]) -> Result<Given, CliError> {
        let base = input.map(read_json).transpose()?;
        let args = args.iter().map(|arg| split(arg)).collect::<Result<Vec<_>, CliError>>()?;
        Ok(Given { base, args })
    }

    /// Adds fields that are asked for on this terminal.
    pub(crate) fn and_secrets(mut self, secrets: &SecretArgs) -> Result<Given, CliError> {
        for name in &secrets.secret {
            let (path, _) = split(&format!("{name}="))?;
            self.args.push((path, ask_hidden(name)?));
        }
        Ok(self)
    }

    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.base.is_none() && self.args.is_empty()
    }

    /// Whether nothing but fields was given, and this is none of them.
    pub(crate) fn lacks(&self, field: &str) -> bool {
        self.base.is_none() && !self.args.iter().any(|(path, _)| path[0] == field)
    }

    /// Takes this value where no other whole one was given.
    #[must_use]
    pub(crate) fn or_base(mut self, value: Value) -> Given {
        self.base.get_or_insert(value);
        self
    }

    /// The value for an event of this type: of the ways to read the arguments the first that the type takes.
    pub(crate) fn value_for(&self, meta: &EventMeta, code: &'static str) -> Result<Value, CliError> {
        for (path, _) in &self.args {
            if unknown_field(meta, &path[0]) {
                return Err(no_field(meta, &path[0]));
            }
        }
        if self.is_empty() {
            // An event without fields is written as `null`.
            let nothing = [Value::Object(Map::new()), Value::Null];
            if let Some(value) = nothing.into_iter().find(|value| meta.decode(value.clone()).is_ok()) {
                return Ok(value);
            }
        }
        let ways: Vec<Vec<Value>> = self.args.iter().map(|(_, text)| readings(text)).collect();
        let mut chosen = vec![0; ways.len()];
        let mut first = None;
        for _ in 0..MAX_TRIES {
            let value = self.put_together(chosen.iter().zip(&ways).map(|(at, ways)| ways[*at].clone()))?;
            match meta.decode(value.clone()) {
                Ok(_) => return Ok(value),
                Err(error) => drop(first.get_or_insert((value, error))),
            }
            if !next(&mut chosen, &ways) {
                break;
            }
        }
        let (value, error) = match first {
            Some(first) => first,
            None => return self.value(),
        };
        let why = blame(meta, &value).unwrap_or_else(|| error.to_string());
        Err(CliError::new(code, format!("The data does not fit `{}`: {}.", meta.tag, why.trim_end_matches('.')))
            .help(expects(meta)))
    }

    /// The value where no type is known: an argument is JSON if it reads as such, else a text.
    pub(crate) fn value(&self) -> Result<Value, CliError> {
        self.put_together(self.args.iter().map(|(_, text)| readings(text).swap_remove(0)))
    }

    fn put_together(&self, values: impl Iterator<Item = Value>) -> Result<Value, CliError> {
        let mut whole = self.base.clone().unwrap_or_else(|| Value::Object(Map::new()));
        for ((path, _), value) in self.args.iter().zip(values) {
            put(&mut whole, path, value)?;
        }
        Ok(whole)
    }
}

/// The next combination of readings, the last argument's first.
fn next(chosen: &mut [usize], ways: &[Vec<Value>]) -> bool {
    for at in (0..chosen.len()).rev() {
        chosen[at] += 1;
        if chosen[at] < ways[at].len() {
            return true;
        }
        chosen[at] = 0;
    }
    false
}

/// What a text can stand for, the likeliest first.
fn readings(text: &str) -> Vec<Value> {
    let mut all = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        all.push(value);
    }
    let plain = Value::from(text);
    if !all.contains(&plain) {
        all.push(plain);
    }
    if let Some(yes) = yes_or_no(text).map(Value::from).filter(|yes| !all.contains(yes)) {
        all.push(yes);
    }
    all
}

fn put(whole: &mut Value, path: &[String], value: Value) -> Result<(), CliError> {
    let mut place = whole;
    for key in path {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Some(object) = place.as_object_mut() else {
            let path = path.join(".");
            let text = format!("`--arg {path}=..` leads into something that is no object.");
            return Err(CliError::new("SC0004", text).help("give one path either a value or fields, not both"));
        };
        place = object.entry(key.clone()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

fn split(arg: &str) -> Result<(Vec<String>, String), CliError> {
    let wrong =
        |text: String| CliError::new("SC0004", text).help("write it as --arg name=Ada or --arg address.town=Turku");
    let Some((path, value)) = arg.split_once('=') else {
        return Err(wrong(format!("`--arg {arg}` has no equals sign.")));
    };
    let path: Vec<String> = path.split('.').map(|part| part.trim().to_owned()).collect();
    if path.iter().any(String::is_empty) {
        return Err(wrong(format!("`--arg {arg}` names no field before the equals sign.")));
    }
    if path.len() > MAX_PATH {
        return Err(wrong(format!("`--arg` leads {} objects deep; {MAX_PATH} is the most.", path.len())));
    }
    Ok((path, value.to_owned()))
}

/// Reads JSON that was given as text, as `@FILE` or as `-`.
fn read_json(given: &str) -> Result<Value, CliError> {
    let (text, from) = match given.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| CliError::new("SC0003", format!("The file `{file}` cannot be read: {error}.")))?;
            (text, format!("The file `{file}`"))
        }
        None if given == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| CliError::new("SC0003", format!("Standard input cannot be read: {error}.")))?;
            (text, "Standard input".to_owned())
        }
        None => (given.to_owned(), "What was given".to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| CliError::new("SC0002", format!("{from} is not JSON: {error}.")))
}

/// What the fields of a type are, in a line.
fn expects(meta: &EventMeta) -> String {
    let fields = super::fields_of(meta);
    if fields.is_empty() {
        return format!("`{}` has no fields", meta.tag);
    }
    let fields = fields.iter().map(|field| {
        let optional = if field.optional { ", optional" } else { "" };
        format!("{} ({}{optional})", field.name, field.kind.name())
    });
    format!("the fields of `{}` are: {}", meta.tag, fields.collect::<Vec<_>>().join(", "))
}

fn no_field(meta: &EventMeta, name: &str) -> CliError {
    let known: Vec<String> = meta.fields.iter().map(|field| (*field).to_owned()).collect();
    let error = CliError::new("SC0004", format!("`{}` has no field `{name}`.", meta.tag));
    match nearest(name, &known) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(expects(meta)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stepcast::prelude::*;

    use super::*;

    #[event(crate = stepcast)]
    struct Order {
        code: String,
        count: u32,
        gift: bool,
        to: Option<To>,
    }

    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    struct To {
        town: String,
    }

    fn given(args: &[&str]) -> Result<Value, CliError> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Given::read(None, &args)?.value_for(const { &<Order as Event>::META }, "SC0045")
    }

    #[test]
    fn arguments_are_read_as_the_type_takes_them() -> Result<(), CliError> {
        let value = given(&["code=007", "count=3", "gift=yes", "to.town=Turku"])?;
        assert_eq!(value, json!({ "code": "007", "count": 3, "gift": true, "to": { "town": "Turku" } }));
        assert_eq!(given(&["code=12", "count=3", "gift=false"])?["code"], json!("12"));
        Ok(())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let said = |args: &[&str]| match given(args) {
            Ok(value) => value.to_string(),
            Err(error) => format!("{} {}", error.code(), error.message()),
        };
        assert_eq!(
            said(&["code=a", "count=many", "gift=no"]),
            "SC0045 The data does not fit `Order`: count: invalid type: string \"many\", expected u32."
        );
        assert!(said(&["code=a", "count=1"]).contains("missing field `gift`"));
        assert_eq!(said(&["cuont=1"]), "SC0004 `Order` has no field `cuont`.");
        assert!(said(&["to=1", "to.town=Turku"]).starts_with("SC0004"));
        assert!(said(&["=1"]).starts_with("SC0004") && said(&["code"]).starts_with("SC0004"));
        let deep = vec!["a"; 10_000].join(".") + "=1";
        assert!(said(&[&deep]).starts_with("SC0004"));
    }

    #[test]
    fn json_that_nests_too_deep_is_no_json() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let error = Given::read(Some(&deep), &[]).err();
        assert_eq!(error.map(|error| error.code()), Some("SC0002"));
    }
}
