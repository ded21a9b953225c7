// SPDX-License-Identifier: BSD-3-Clause
// Dates as the specification writes them: `2026-11-22T08:00:00Z`.
use std::time::{SystemTime, UNIX_EPOCH};

const SLACK: i64 = 300; // clocks differ

/// Return seconds since 1970, or nothing if it is no date of the calendar.
fn seconds(text: &str) -> Option<i64> {
    let form = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == form.len()
        && text.bytes().zip(form).all(|(one, like)| {
            if *like == b'd' {
                one.is_ascii_digit()
            } else {
                one == *like
            }
        });
    if !fits {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1 || !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1 March of year 0, leap days at the end of each such year; 1970 begins at 719468.
    let (shifted, since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = shifted / 4 - shifted / 100 + shifted / 400;
    let days = shifted * 365 + leap_days + (153 * since_march + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Say whether a date is one, and not in the future.
pub(crate) fn has_been(text: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = i64::try_from(now).unwrap_or(i64::MAX - SLACK);
    seconds(text).is_some_and(|made| made <= now + SLACK)
}

#[cfg(test)]
mod tests {
    use super::{has_been, seconds};

    #[test]
    fn dates() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T23:59:59Z"), Some(951_868_799));
        assert_eq!(seconds("2026-11-22T08:00:00Z"), Some(1_795_334_400));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        for one in [
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "0000-01-01T00:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "+026-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(seconds(one), None, "{one}");
        }
        assert!(has_been("2020-01-01T00:00:00Z"));
        assert!(!has_been("9999-12-31T23:59:59Z"));
    }
}
