//! Time as scenarios tell it: a wall clock over tokio's paused one, and lengths of time as people write them.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de};
use tokio::time::Instant;

use crate::{config::DurationText, system::Clock, time::Timestamp};

/// A wall clock that goes on with tokio's, and that somebody may set.
pub(super) struct WallClock {
    begun: Instant,
    shift: AtomicI64,
}

impl WallClock {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), shift: AtomicI64::new(0) }
    }

    /// Sets the clock forward or back. Nobody who waits notices: so it is after a suspend, too.
    pub(super) fn set(&self, by: Length) {
        self.shift.fetch_add(by.0, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let shift = self.shift.load(Ordering::Relaxed);
        let now = Timestamp::from_seconds(BEGINNING).after(self.begun.elapsed());
        let by = Duration::from_millis(shift.unsigned_abs());
        if shift < 0 { now.before(by) } else { now.after(by) }
    }
}

/// When every scenario begins: 2030-01-01 at midnight.
pub(super) const BEGINNING: u64 = 1_893_456_000;

/// A length of time such as `90s`, `1h30m` or `-3h`, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Length(i64);

impl Length {
    /// What is not before its beginning.
    pub(super) fn duration(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).expect("a length that is not negative"))
    }

    pub(super) fn of(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_millis()).expect("a length that a scenario has"))
    }

    /// `moment`, moved by this.
    pub(super) fn from(self, moment: Timestamp) -> Timestamp {
        let by = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { moment.before(by) } else { moment.after(by) }
    }

    /// Whether both are the same, but for the milliseconds that timers round up to and that looking takes.
    pub(super) fn is_about(self, other: Self) -> bool {
        self.0.abs_diff(other.0) <= 3
    }

    /// Whether two texts are such lengths.
    pub(super) fn are_about(one: &str, other: &str) -> bool {
        matches!((Self::parse(one), Self::parse(other)), (Some(one), Some(other)) if one.is_about(other))
    }

    fn parse(text: &str) -> Option<Self> {
        let (sign, mut rest) = match text.split_at_checked(1) {
            Some(("-", rest)) => (-1, rest),
            Some(("+", rest)) => (1, rest),
            _ => (1, text),
        };
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let unit = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let end = rest[unit..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |digits| unit + digits);
            total += DurationText::parse(&rest[..end]).ok()?.0;
            rest = &rest[end..];
        }
        Some(Self(sign * i64::try_from(total.as_millis()).ok()?))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no length of time such as 90s, 1h30m or -3h")))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.unsigned_abs();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

#[test]
fn lengths_are_read_and_shown_as_people_write_them() {
    for text in ["0s", "90m", "1h30m", "-3h", "20h15m1s500ms"] {
        let shown = Length::parse(text).unwrap().to_string();
        assert_eq!(Length::parse(&shown), Length::parse(text), "{text}");
    }
    for text in ["", "h", "5", "1x", "--1s"] {
        assert!(Length::parse(text).is_none_or(|length| text.is_empty() && length == Length(0)), "{text}");
    }
}
