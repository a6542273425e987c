//! Options from the environment and from the options file: defaults of the command line's options.
//!
//! The command line goes before the environment, and that before the file. Where options exclude each other, such as a
//! URL and a host, the one from nearer by is taken and the others are not looked at.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{ArgPredicate, Resettable};
use clap::{Arg, ArgAction, Command};
use etcetera::BaseStrategy;
use toml::{Table, Value};

use crate::connect::ConnectArguments;
use crate::exit::Failure;

/// The option that names the file, and its variable.
const FILE_OPTION: &str = "--options-file";
const FILE_VARIABLE: &str = "STERNA_OPTIONS_FILE";

/// The options of the command that `words` name get what the environment and the file say as their defaults.
pub(crate) fn apply(root: Command, words: &[OsString]) -> Result<Command, Failure> {
    // Only a command that is built knows all of itself, and only one that is not can be changed.
    let mut built = root.clone();
    built.build();
    let path = path_of(&built, words);
    let Some(target) = path.last().filter(|command| takes_options(command)) else { return Ok(root) };
    let names: Vec<String> = path.iter().skip(1).map(|command| command.get_name().to_owned()).collect();
    let mut layer = Layer::new(target);
    for argument in connection_options(target) {
        layer.take_variable(argument)?;
    }
    layer.close();
    if let Some((file, table)) = read_file(words)? {
        check_commands(&built, &table, &file)?;
        layer.take_file(&names, &table, &file)?;
    }
    let defaults = layer.given;
    Ok(change(root, &names, defaults))
}

/// From the root to the command that is meant.
fn path_of<'a>(root: &'a Command, words: &[OsString]) -> Vec<&'a Command> {
    let mut path = vec![root];
    for word in words.iter().skip(1) {
        let found = word.to_str().and_then(|word| path[path.len() - 1].find_subcommand(word));
        let Some(command) = found else { break };
        path.push(command);
    }
    path
}

fn takes_options(command: &Command) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == FILE_OPTION.strip_prefix("--"))
}

/// The options that every command with a connection has: those may be in the environment, and in the file outside of
/// a command's table.
fn connection_options(command: &Command) -> Vec<&Arg> {
    let common = <ConnectArguments as clap::Args>::augment_args(Command::new(""));
    let is_common = |argument: &&Arg| common.get_arguments().any(|other| other.get_id() == argument.get_id());
    command.get_arguments().filter(is_common).filter(|argument| can_be_set(argument)).collect()
}

fn can_be_set(argument: &Arg) -> bool {
    let action = argument.get_action();
    let takes = action.takes_values() || matches!(action, ArgAction::SetTrue);
    takes && argument.get_long().is_some() && argument.get_long() != Some("options-file")
}

/// The variable of an option: STERNA_CAFILE for --cafile.
fn variable_of(long: &str) -> String {
    format!("STERNA_{}", long.to_uppercase().replace('-', "_"))
}

/// What is known of an option so far: whose it is, its values, and what it excludes.
struct Given {
    id: String,
    values: Vec<OsString>,
}

/// Collects the values from near to far.
struct Layer<'a> {
    command: &'a Command,
    given: Vec<Given>,
    /// How many of those were given nearer by.
    nearer: usize,
}

impl<'a> Layer<'a> {
    fn new(command: &'a Command) -> Self {
        Self { command, given: Vec::new(), nearer: 0 }
    }

    /// What comes now is from farther away.
    fn close(&mut self) {
        self.nearer = self.given.len();
    }

    fn take_variable(&mut self, argument: &Arg) -> Result<(), Failure> {
        let name = variable_of(argument.get_long().unwrap_or_default());
        let Some(value) = std::env::var_os(&name).filter(|value| !value.is_empty()) else { return Ok(()) };
        // What has several values, such as a property, does not fit into a variable.
        if argument.get_num_args().is_some_and(|number| number.max_values() > 1) {
            return Ok(());
        }
        let values = if argument.get_action().takes_values() {
            vec![value]
        } else {
            match value.to_str() {
                Some("1" | "true" | "yes") => vec!["true".into()],
                Some("0" | "false" | "no") => return Ok(()),
                _ => return Err(Failure::Usage(format!("{name}: it is true or false"))),
            }
        };
        self.add(argument, values, &name)
    }

    /// The table of the command goes before what stands outside of tables.
    fn take_file(&mut self, names: &[String], table: &Table, file: &Path) -> Result<(), Failure> {
        let mut inner = Some(table);
        for name in names {
            inner = inner.and_then(|table| table.get(name)).and_then(Value::as_table);
        }
        for (key, value) in inner.into_iter().flatten().filter(|(_, value)| !value.is_table()) {
            let argument = self.command.get_arguments().find(|argument| is_named(argument, key));
            let argument = argument.filter(|argument| can_be_set(argument)).ok_or_else(|| {
                wrong(file, &format!("[{}] {key}: there is no such option", names.join(".")))
            })?;
            self.add_file(argument, key, value, file)?;
        }
        self.close();
        for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
            let common = connection_options(self.command);
            let argument = common.into_iter().find(|argument| is_named(argument, key));
            let argument = argument.ok_or_else(|| {
                wrong(
                    file,
                    &format!("{key}: no option of the connection; one of a command stands in its table"),
                )
            })?;
            self.add_file(argument, key, value, file)?;
        }
        Ok(())
    }

    fn add_file(&mut self, argument: &Arg, key: &str, value: &Value, file: &Path) -> Result<(), Failure> {
        let values = if argument.get_action().takes_values() {
            let mut values = Vec::new();
            flatten(value, &mut values)
                .ok_or_else(|| wrong(file, &format!("{key}: no value of an option")))?;
            values
        } else {
            match value {
                Value::Boolean(true) => vec!["true".into()],
                Value::Boolean(false) => return Ok(()),
                _ => return Err(wrong(file, &format!("{key}: it is true or false"))),
            }
        };
        self.add(argument, values, &format!("{}: {key}", file.display()))
    }

    fn add(&mut self, argument: &Arg, values: Vec<OsString>, place: &str) -> Result<(), Failure> {
        let id = argument.get_id().as_str();
        let rivals = rivals(self.command, argument);
        let known = self.given.iter().position(|given| given.id == id || rivals.contains(&given.id));
        match known {
            Some(at) if at < self.nearer => {}
            Some(_) => return Err(Failure::Usage(format!("{place}: it excludes another option there"))),
            None => self.given.push(Given { id: id.to_owned(), values }),
        }
        Ok(())
    }
}

/// The options that may not stand beside this one.
fn rivals(command: &Command, argument: &Arg) -> Vec<String> {
    let named = command.get_arg_conflicts_with(argument).into_iter().map(|other| other.get_id().to_string());
    // Whoever excludes this one is excluded by it.
    let naming = command.get_arguments().filter(|other| {
        command.get_arg_conflicts_with(other).iter().any(|named| named.get_id() == argument.get_id())
    });
    let mut rivals: Vec<String> = named.chain(naming.map(|other| other.get_id().to_string())).collect();
    for group in command.get_groups() {
        if !group.clone().is_multiple() && group.get_args().any(|id| id == argument.get_id()) {
            rivals.extend(group.get_args().map(ToString::to_string));
        }
    }
    rivals.retain(|id| id != argument.get_id().as_str());
    rivals
}

fn is_named(argument: &Arg, key: &str) -> bool {
    let aliases = argument.get_all_aliases().unwrap_or_default();
    argument.get_long() == Some(key) || aliases.contains(&key)
}

/// The words of a value: a list is an option given several times, or one of several values.
fn flatten(value: &Value, words: &mut Vec<OsString>) -> Option<()> {
    match value {
        Value::String(text) => words.push(text.into()),
        Value::Integer(number) => words.push(number.to_string().into()),
        Value::Float(number) => words.push(number.to_string().into()),
        Value::Boolean(flag) => words.push(flag.to_string().into()),
        Value::Array(values) => values.iter().try_for_each(|value| flatten(value, words))?,
        Value::Datetime(_) | Value::Table(_) => return None,
    }
    Some(())
}

/// Gives the command at the end of `names` its defaults.
fn change(command: Command, names: &[String], defaults: Vec<Given>) -> Command {
    if let Some((first, rest)) = names.split_first() {
        return command.mut_subcommand(first, |command| change(command, rest, defaults));
    }
    let mut command = command;
    for given in defaults {
        let Some(argument) = command.get_arguments().find(|argument| argument.get_id() == given.id.as_str())
        else {
            continue;
        };
        // What is on the command line and excludes it takes its place.
        let rivals: Vec<_> =
            rivals(&command, argument).into_iter().map(|id| is_given(&command, id)).collect();
        command = command.mut_arg(given.id, |argument| {
            let values: Vec<clap::builder::OsStr> = given.values.into_iter().map(Into::into).collect();
            // A switch has to have a value.
            let is_switch = !argument.get_action().takes_values();
            let otherwise = if is_switch { Resettable::Value("false".into()) } else { Resettable::Reset };
            let rivals = rivals.into_iter().map(|(id, predicate)| (id, predicate, otherwise.clone()));
            // It may be a secret: help does not show it.
            argument.default_values(values).default_value_ifs(rivals).hide_default_value(!is_switch)
        });
    }
    command
}

/// When this option is on the command line.
fn is_given(command: &Command, id: String) -> (String, ArgPredicate) {
    let rival = command.get_arguments().find(|argument| argument.get_id() == id.as_str());
    let is_switch = rival.is_some_and(|argument| matches!(argument.get_action(), ArgAction::SetTrue));
    // A switch is always present: it is off by default.
    let predicate = if is_switch { ArgPredicate::Equals("true".into()) } else { ArgPredicate::IsPresent };
    (id, predicate)
}

/// The options file, if there is one: the one that is named has to be there.
fn read_file(words: &[OsString]) -> Result<Option<(PathBuf, Table)>, Failure> {
    let named = named_file(words).or_else(|| std::env::var_os(FILE_VARIABLE));
    let (path, must_exist) = match named {
        Some(path) if path.is_empty() => return Ok(None),
        Some(path) => (PathBuf::from(path), true),
        None => match default_file() {
            Some(path) => (path, false),
            None => return Ok(None),
        },
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(wrong(&path, &error.to_string())),
    };
    let table = text.parse().map_err(|error| explain(&path, &text, &error))?;
    Ok(Some((path, table)))
}

/// Where the file is if nobody names one: `sterna/options.toml` in the platform's folder for configuration.
pub(crate) fn default_file() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("sterna").join("options.toml"))
}

/// What `--options-file` says, as one word or two.
fn named_file(words: &[OsString]) -> Option<OsString> {
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == FILE_OPTION {
            return words.next().cloned();
        }
        let value = word.to_str().and_then(|word| word.strip_prefix(FILE_OPTION)?.strip_prefix('='));
        if let Some(value) = value {
            return Some(value.into());
        }
    }
    None
}

/// Where the text is wrong, without the text: it may have a password.
fn explain(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    wrong(path, &format!("line {line}: it is not TOML"))
}

/// A table is a command's, and one in it that of a command below that.
fn check_commands(command: &Command, table: &Table, file: &Path) -> Result<(), Failure> {
    for (name, value) in table {
        let Some(inner) = value.as_table() else { continue };
        let Some(command) = command.get_subcommands().find(|command| command.get_name() == name) else {
            return Err(wrong(file, &format!("[{name}]: there is no such subcommand")));
        };
        check_commands(command, inner, file)?;
    }
    Ok(())
}

fn wrong(file: &Path, what: &str) -> Failure {
    Failure::Usage(format!("{}: {what}", file.display()))
}
