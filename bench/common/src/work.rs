//! What a client is asked to do.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// The words that a client was started with.
#[derive(Debug, Clone)]
pub struct Work(BTreeMap<String, String>);

impl Work {
    /// From the program's arguments, each `name=value`. From now on a panic ends the program, in whichever task it is:
    /// a runtime that caught it would go on without what failed, and hang.
    pub fn from_arguments() -> Self {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tell(panic);
            std::process::exit(101);
        }));
        let word = |argument: String| {
            let (name, value) = argument.split_once('=').expect("arguments are name=value");
            (name.to_owned(), value.to_owned())
        };
        Self(std::env::args().skip(1).map(word).collect())
    }

    /// The value of `name`, which has to be there.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("the argument {name}=… is missing"))
    }

    /// The value of `name`, if it is there.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number, if it is there.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        let value = self.find(name)?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a number")))
    }

    /// Which of its ways the client is to go.
    pub fn variant(&self) -> &str {
        self.get("variant")
    }

    pub fn scenario(&self) -> &str {
        self.get("scenario")
    }

    /// Whether it is to have its best setting, not its defaults.
    pub fn best(&self) -> bool {
        self.get("setting") == "best"
    }

    pub fn port(&self) -> u16 {
        self.number("port").expect("the argument port=… is missing")
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.find("scheme").unwrap_or("mqtt"), self.port())
    }

    /// How long to go on.
    pub fn time(&self) -> Option<Duration> {
        self.number("time").map(Duration::from_millis)
    }

    /// After how many messages to end.
    pub fn messages(&self) -> Option<u64> {
        self.number("messages")
    }

    /// Bytes of each large payload.
    pub fn size(&self) -> usize {
        self.number("size").expect("the argument size=… is missing")
    }

    /// How many clients.
    pub fn clients(&self) -> usize {
        self.number("clients").unwrap_or(1)
    }

    /// For a scenario that this client does not have.
    pub fn unknown(&self) -> ! {
        panic!("this client has no scenario {} as {}", self.scenario(), self.variant())
    }
}
