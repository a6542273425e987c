//! The time at which a message came, as C's `strftime` in the locale C writes it.

use jiff::Zoned;
use jiff::fmt::strtime;

/// A moment, in the time zone of this machine.
pub(super) struct Moment(Zoned);

impl Moment {
    pub(super) fn now() -> Self {
        Self(Zoned::now())
    }

    /// `2016-08-10T09:47:38+0100`.
    pub(super) fn iso(&self) -> String {
        self.strftime("%Y-%m-%dT%H:%M:%S%z")
    }

    /// The same with microseconds.
    pub(super) fn iso_micros(&self) -> String {
        let micros = self.0.subsec_nanosecond() / 1_000;
        format!("{}.{micros:06}{}", self.strftime("%Y-%m-%dT%H:%M:%S"), self.strftime("%z"))
    }

    /// Seconds since 1970 with nanoseconds.
    pub(super) fn unix(&self) -> String {
        format!("{}.{}", self.0.timestamp().as_second(), self.nanoseconds())
    }

    /// The nanoseconds of the second, in nine digits.
    pub(super) fn nanoseconds(&self) -> String {
        format!("{:09}", self.0.subsec_nanosecond())
    }

    /// One conversion of `strftime`; one that there is not is left as it is.
    pub(super) fn conversion(&self, character: char) -> String {
        let format = match character {
            // What depends on the locale, in that of C.
            'c' => "%a %b %e %H:%M:%S %Y".to_owned(),
            'x' => "%m/%d/%y".to_owned(),
            'X' => "%H:%M:%S".to_owned(),
            'r' => "%I:%M:%S %p".to_owned(),
            'h' => "%b".to_owned(),
            other => format!("%{other}"),
        };
        self.strftime(&format)
    }

    fn strftime(&self, format: &str) -> String {
        strtime::format(format, &self.0).unwrap_or_else(|_| format.to_owned())
    }
}
