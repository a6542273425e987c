//! Which of the received messages are printed, and which of the retained ones removed.

use std::collections::HashSet;

use clap::Args;
use rand::RngExt;
use sterna_client::Message;
use sterna_core::topic::matches;

use super::check_filter;
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Choice")]
pub(super) struct ChoiceOptions {
    /// Do not print messages whose topic this filter matches; repeatable
    #[arg(short = 'T', long, value_name = "FILTER")]
    filter_out: Vec<String>,
    /// Do not print retained messages
    #[arg(
        short = 'R',
        long = "no-retained",
        visible_alias = "quiet-retained",
        conflicts_with = "retained_only"
    )]
    no_retained: bool,
    /// Print retained messages only, and end at the first other one
    #[arg(long)]
    retained_only: bool,
    /// Remove the retained messages that come from the server, but for those of --filter-out; with --retained-only it
    /// ends when they are removed
    #[arg(long)]
    remove_retained: bool,
    /// Print a message only with this chance, in percent
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    random_filter: Option<f64>,
}

/// What becomes of a message.
pub(super) enum Fate {
    Print,
    Skip,
    End,
}

/// Chooses.
pub(super) struct Choice<'a> {
    options: &'a ChoiceOptions,
    /// The topics whose removal has not come back yet.
    removed: HashSet<String>,
}

impl ChoiceOptions {
    pub(super) fn choice(&self) -> Result<Choice<'_>, Failure> {
        self.filter_out.iter().try_for_each(|filter| check_filter(filter))?;
        Ok(Choice { options: self, removed: HashSet::new() })
    }
}

impl Choice<'_> {
    /// Whether the server is to forget it; said once.
    pub(super) fn is_to_be_removed(&mut self, message: &Message) -> bool {
        self.options.remove_retained
            && message.retain()
            && !self.is_filtered_out(message)
            && self.removed.insert(message.topic().to_owned())
    }

    pub(super) fn judge(&mut self, message: &Message) -> Fate {
        let options = self.options;
        if options.retained_only && !message.retain() {
            // Our own removals come back as messages of no bytes: the last of them is the end.
            let is_removal = message.payload().is_empty() && self.removed.remove(message.topic());
            return if is_removal && !self.removed.is_empty() { Fate::Skip } else { Fate::End };
        }
        let is_stale = options.no_retained && message.retain();
        let is_unlucky =
            options.random_filter.is_some_and(|percent| rand::rng().random_range(0.0..100.0) >= percent);
        if is_stale || is_unlucky || self.is_filtered_out(message) { Fate::Skip } else { Fate::Print }
    }

    fn is_filtered_out(&self, message: &Message) -> bool {
        self.options.filter_out.iter().any(|filter| matches(filter, message.topic()))
    }
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "it is a number from 0 to 100".to_owned())
}
