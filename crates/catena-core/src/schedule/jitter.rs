//! The delay that spreads starts which would come at one instant.

/// A delay of up to `most_ms`, both ends included, for a number in [0, 1) from outside. The number is drawn once
/// for a fire and kept with it: a restart must not draw again.
pub fn jitter_ms(most_ms: u64, number: f64) -> u64 {
    let spread = (most_ms as f64 + 1.0) * number.clamp(0.0, 1.0);
    // A cast from float saturates; the product may round up to one more than there is.
    (spread as u64).min(most_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_spread_over_the_whole_delay_and_no_further() {
        let check = |most, number, expected| assert_eq!(jitter_ms(most, number), expected);
        check(0, 0.99, 0);
        check(10, 0.0, 0);
        check(10, 0.5, 5);
        check(10, 0.999_999, 10);
        check(10, f64::NAN, 0);
        check(10, 7.0, 10);
        check(u64::MAX, 1.0, u64::MAX);
    }
}
