//! What came of what was published, by the headers: lost, doubled, out of order.

use std::collections::{BTreeMap, HashMap};

use super::header::Header;

/// How many gaps of a publisher are remembered. Of more the oldest are given up as lost.
const GAPS: usize = 10_000;

/// What one subscriber has of all publishers.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    publishers: HashMap<(u32, u32), Publisher>,
}

#[derive(Debug, Default)]
struct Publisher {
    next: u64,
    total: u64,
    /// What was skipped and has not come yet: first and last of each gap.
    gaps: BTreeMap<u64, u64>,
    given_up: u64,
    duplicates: u64,
    late: u64,
    received: u64,
}

/// The sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Messages with a header.
    pub(super) checked: u64,
    /// Missing between the first one of a publisher that came, and its last.
    pub(super) lost: u64,
    /// Came again.
    pub(super) duplicates: u64,
    /// Came after a later one.
    pub(super) out_of_order: u64,
}

impl Tally {
    pub(super) fn is_perfect(self) -> bool {
        self.lost == 0 && self.duplicates == 0 && self.out_of_order == 0
    }

    pub(super) fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
    }
}

impl Tracker {
    /// Takes note of a message.
    pub(super) fn note(&mut self, header: &Header) {
        let publisher = self.publishers.entry((header.run, header.client)).or_insert_with(|| Publisher {
            // Who comes later has not lost what was before.
            next: header.sequence,
            ..Publisher::default()
        });
        publisher.note(header);
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for publisher in self.publishers.values() {
            let gaps: u64 = publisher.gaps.iter().map(|(first, last)| last - first + 1).sum();
            let end = publisher.total.saturating_sub(publisher.next);
            tally.add(Tally {
                checked: publisher.received,
                lost: gaps + publisher.given_up + end,
                duplicates: publisher.duplicates,
                out_of_order: publisher.late,
            });
        }
        tally
    }
}

impl Publisher {
    fn note(&mut self, header: &Header) {
        let sequence = header.sequence;
        self.received += 1;
        self.total = header.total;
        if sequence >= self.next {
            if sequence > self.next {
                self.gaps.insert(self.next, sequence - 1);
                self.forget();
            }
            self.next = sequence.saturating_add(1);
            return;
        }
        let gap = self.gaps.range(..=sequence).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = gap.filter(|(_, last)| sequence <= *last) else {
            self.duplicates += 1;
            return;
        };
        self.late += 1;
        self.gaps.remove(&first);
        if first < sequence {
            self.gaps.insert(first, sequence - 1);
        }
        if sequence < last {
            self.gaps.insert(sequence + 1, last);
        }
    }

    fn forget(&mut self) {
        if self.gaps.len() > GAPS
            && let Some((first, last)) = self.gaps.pop_first()
        {
            self.given_up += last - first + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sequences: &[u64], total: u64) -> Tally {
        let mut tracker = Tracker::default();
        for &sequence in sequences {
            tracker.note(&Header { run: 1, client: 1, sequence, total, time: 0 });
        }
        tracker.tally()
    }

    fn expect(checked: u64, lost: u64, duplicates: u64, out_of_order: u64) -> Tally {
        Tally { checked, lost, duplicates, out_of_order }
    }

    // R: CLI-03
    #[test]
    fn loss_doubles_and_order_are_told() {
        assert_eq!(tally(&[0, 1, 2], 3), expect(3, 0, 0, 0));
        assert_eq!(tally(&[5, 6], 0), expect(2, 0, 0, 0), "it came later");
        assert_eq!(tally(&[0, 3, 4], 6), expect(3, 3, 0, 0), "1, 2 and 5");
        assert_eq!(tally(&[0, 4, 2, 2, 1, 3, 4], 0), expect(7, 0, 2, 3));
        assert!(tally(&[0, 1], 2).is_perfect() && !tally(&[0, 0], 1).is_perfect());
    }

    // R: CLI-03
    #[test]
    fn gaps_do_not_fill_the_memory() {
        let every_second: Vec<u64> = (0..3 * GAPS as u64).map(|number| 2 * number).collect();
        assert_eq!(tally(&every_second, 0).lost, 3 * GAPS as u64 - 1);
    }
}
