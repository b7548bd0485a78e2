//! Several runs of several things in turn, and the middle of each.
//!
//! The machine is shared: a single figure is chance, and two figures from different hours can't be
//! compared. So the things to compare take turns (A B A B), and ratios are made of medians of one
//! session. It must never know what is measured.

use anyhow::Result;

/// The figures of one thing.
#[derive(Clone, Debug, Default)]
pub struct Series {
    figures: Vec<f64>,
}

impl Series {
    /// The least.
    pub fn least(&self) -> f64 {
        self.figures.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest.
    pub fn greatest(&self) -> f64 {
        self.figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The middle one; of two, the mean.
    pub fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.len(), sorted.len() / 2) {
            (0, _) => f64::NAN,
            (count, middle) if count % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// Every figure through a function.
    pub fn map(&self, function: impl Fn(f64) -> f64) -> Self {
        Self { figures: self.figures.iter().copied().map(function).collect() }
    }

    /// Each figure over the other's of the same round.
    pub fn over(&self, other: &Self) -> Self {
        let pairs = self.figures.iter().zip(&other.figures);
        Self { figures: pairs.map(|(mine, theirs)| mine / theirs).collect() }
    }

    /// Each figure less the other's of the same round.
    pub fn minus(&self, other: &Self) -> Self {
        let pairs = self.figures.iter().zip(&other.figures);
        Self { figures: pairs.map(|(mine, theirs)| mine - theirs).collect() }
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self { figures: figures.into_iter().collect() }
    }
}

/// Measures each of several things once a round, in turn, after a first round that doesn't count:
/// it fills the caches.
pub fn alternate<const N: usize>(
    rounds: usize,
    mut measure: impl FnMut(usize) -> Result<f64>,
) -> Result<[Series; N]> {
    let mut series: [Series; N] = std::array::from_fn(|_| Series::default());
    for round in 0..=rounds {
        for (which, series) in series.iter_mut().enumerate() {
            let figure = measure(which)?;
            if round > 0 {
                series.figures.push(figure);
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::{Series, alternate};

    #[test]
    fn the_median_is_the_middle() {
        let check = |figures: &[f64], expected: f64| {
            let series: Series = figures.iter().copied().collect();
            assert!((series.median() - expected).abs() < 1e-9, "{figures:?}");
        };
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 100.0], 3.0);
    }

    #[test]
    fn things_take_turns_and_the_first_round_does_not_count() {
        let mut order = Vec::new();
        let [a, b] = alternate::<2>(2, |which| {
            order.push(which);
            Ok(order.len() as f64)
        })
        .expect("nothing fails");
        assert_eq!(order, [0, 1, 0, 1, 0, 1]);
        assert_eq!((a.least(), a.greatest(), b.least(), b.greatest()), (3.0, 5.0, 4.0, 6.0));
    }
}
