//! Dice: whatever is random in a world is rolled with these.

/// Pseudo-random numbers (SplitMix64): the same seed gives the same world on every machine.
pub(super) struct Dice {
    state: u64,
    /// What is rolled first, the last one first.
    bytes: Vec<u8>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let bytes = Vec::new();
        Self { state: seed, bytes }
    }

    /// Dice that roll these bytes, one each time, and go on as those of a seed that the bytes make.
    pub(super) fn loaded(bytes: &[u8]) -> Self {
        let state = bytes.iter().fold(0, |state: u64, byte| state.rotate_left(5) ^ u64::from(*byte));
        let bytes = bytes.iter().rev().copied().collect();
        Self { state, bytes }
    }

    /// Dice of their own for something else, which take a quarter of the bytes along.
    pub(super) fn split(&mut self) -> Self {
        let rest = self.bytes.split_off(self.bytes.len() / 4);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let state = !self.state;
        Self { state, bytes }
    }

    fn roll(&mut self) -> u64 {
        if let Some(byte) = self.bytes.pop() {
            return u64::from(byte);
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which must not be 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    /// True this often in a hundred times.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some items, which must not be none.
    pub(super) fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}
