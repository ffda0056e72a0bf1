//! Sums over rounds in which the sides of a comparison took turns.
//!
//! Whatever else a machine does meets all sides of a round alike, so sides are compared round by round, and the middle
//! of these comparisons is told.

/// The middle of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

/// The middle of the quotients of two sides, round by round.
pub(crate) fn ratio(side: &[f64], baseline: &[f64]) -> f64 {
    let quotients: Vec<f64> = side.iter().zip(baseline).map(|(side, baseline)| side / baseline).collect();
    median(&quotients)
}
