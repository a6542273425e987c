//! The middle of some samples, and how far apart they are.

/// Of several rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Middle {
    /// `None` without samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let (&least, &most) = (samples.first()?, samples.last()?);
        let half = samples.len() / 2;
        let median = if samples.len() % 2 == 1 {
            samples[half]
        } else {
            f64::midpoint(samples[half - 1], samples[half])
        };
        Some(Self { median, least, most })
    }

    /// Half the distance between the least and the most, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.most - self.least) / 2.0 / self.median
    }
}

#[test]
fn the_middle_of_an_even_number_lies_between_two() {
    let middle = Middle::of([4.0, 1.0, 2.0, 3.0]).expect("samples");
    assert_eq!((middle.median, middle.least, middle.most), (2.5, 1.0, 4.0));
    assert!(Middle::of([]).is_none());
}
