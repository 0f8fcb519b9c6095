//! Times as people read them: in their time zone, and from now.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::{lease::Expiry, time::Timestamp};

/// Words for moments, seen from now.
#[derive(Debug, Clone)]
pub struct Moments {
    now: Timestamp,
    zone: TimeZone,
}

impl Moments {
    /// In the machine's time zone.
    pub fn here(now: Timestamp) -> Self {
        Self { now, zone: TimeZone::system() }
    }

    /// In a given time zone.
    pub fn at(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The clock's time, and the date if it is not today's: `14:05`, `2026-11-24 14:05`.
    pub fn clock(&self, moment: Timestamp) -> String {
        let zoned = |moment: Timestamp| {
            let millis = i64::try_from(moment.millis()).ok()?;
            jiff::Timestamp::from_millisecond(millis).ok().map(|instant| instant.to_zoned_datetime(self.zone.clone()))
        };
        match (zoned(moment), zoned(self.now)) {
            (Some(moment), Some(now)) if moment.date() == now.date() => moment.strftime("%H:%M").to_string(),
            (Some(moment), _) => moment.strftime("%Y-%m-%d %H:%M").to_string(),
            (None, _) => "after the end of the calendar".into(),
        }
    }

    /// Whether it is behind us.
    pub fn is_past(&self, moment: Timestamp) -> bool {
        moment < self.now
    }

    /// How far off it is: `in 23 h`, `5 min ago`, `just now`.
    pub fn distance(&self, moment: Timestamp) -> String {
        if moment == self.now {
            return "just now".into();
        }
        if moment > self.now { format!("in {}", rough(moment.since(self.now))) } else { format!("{} ago", rough(self.now.since(moment))) }
    }

    /// Both: `14:05 (in 23 h)`.
    pub fn both(&self, moment: Timestamp) -> String {
        format!("{} ({})", self.clock(moment), self.distance(moment))
    }

    /// When something ends: `until 14:05 (in 23 h)`, `without an end`, `until an unknown time`.
    pub fn until(&self, expiry: Expiry) -> String {
        match expiry {
            Expiry::At(at) if self.is_past(at) => format!("expired {}", self.both(at)),
            Expiry::At(at) => format!("until {}", self.both(at)),
            Expiry::Never => "without an end".into(),
            Expiry::Unknown => "until an unknown time".into(),
        }
    }
}

/// A duration in its greatest fitting unit, rounded down: `40 s`, `5 min`, `23 h`, `3 days`, `20 years`; below a second as precise as it is worth.
pub fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration < MILLI => format!("{} µs", duration.as_micros()),
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        172_800..63_072_000 => format!("{} days", seconds / 86_400),
        _ => format!("{} years", seconds / 31_536_000),
    }
}

const MILLI: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_their_greatest_fitting_unit() {
        for (millis, words) in [
            (1, "1 ms"),
            (999, "999 ms"),
            (1500, "1 s"),
            (119_000, "119 s"),
            (300_000, "5 min"),
            (86_399_000, "23 h"),
            (259_200_000, "3 days"),
            (630_720_000_000, "20 years"),
        ] {
            assert_eq!(rough(Duration::from_millis(millis)), words);
        }
        assert_eq!(rough(Duration::from_micros(80)), "80 µs");
    }

    #[test]
    fn moments_are_told_in_the_time_zone_with_the_date_if_it_is_another_day() {
        let now = Timestamp::from_seconds(1_700_000_000); // 2023-11-14 22:13:20 UTC
        let utc = Moments::at(now, TimeZone::UTC);
        let east = Moments::at(now, TimeZone::fixed(jiff::tz::offset(2)));
        let later = now.after(Duration::from_hours(1));
        assert_eq!(utc.both(later), "23:13 (in 60 min)");
        assert_eq!(east.both(later), "01:13 (in 60 min)");
        assert_eq!(utc.clock(now.after(Duration::from_hours(2))), "2023-11-15 00:13");
        assert_eq!(utc.distance(now.before(Duration::from_secs(5))), "5 s ago");
        assert_eq!(utc.until(Expiry::At(later)), "until 23:13 (in 60 min)");
        assert_eq!(utc.until(Expiry::At(now.before(Duration::from_hours(3)))), "expired 19:13 (3 h ago)");
        assert_eq!(utc.until(Expiry::Never), "without an end");
        assert_eq!(utc.clock(Timestamp::from_millis(u64::MAX)), "after the end of the calendar");
    }
}
