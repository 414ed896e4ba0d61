//! The rows between two layers: which net runs across on which of them, so that no two lie on each other.

/// What leaves one place for the next layer: one line that divides.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) id: usize,
    /// The column it comes down in.
    pub(super) from: i32,
    /// The columns it goes on in.
    pub(super) to: Vec<i32>,
}

impl Net {
    fn span(&self) -> (i32, i32) {
        let ends = self.to.iter().copied().chain([self.from]);
        ends.fold((i32::MAX, i32::MIN), |(least, most), end| (least.min(end), most.max(end)))
    }

    pub(super) fn is_straight(&self) -> bool {
        self.to.iter().all(|to| *to == self.from)
    }
}

/// The row of each net, from 0, and how many rows there are. `None` for those that go straight down.
pub(super) fn assign(nets: &[Net]) -> (Vec<Option<usize>>, usize) {
    let mut rows: Vec<Option<usize>> = vec![None; nets.len()];
    let mut left: Vec<usize> = (0..nets.len()).filter(|net| !nets[*net].is_straight()).collect();
    left.sort_by_key(|net| nets[*net].span());
    // A net has to leave the column it comes in before others go on in that column.
    let before = |first: &Net, second: &Net| first.id != second.id && second.to.contains(&first.from);
    let mut row = 0;
    while !left.is_empty() {
        let free: Vec<usize> =
            left.iter().copied().filter(|net| !left.iter().any(|other| before(&nets[*other], &nets[*net]))).collect();
        // Two that have to go before each other: one begins, and the drawing shows them crossing.
        let free = if free.is_empty() { vec![left[0]] } else { free };
        let mut end = i32::MIN;
        for net in free {
            let (first, last) = nets[net].span();
            if first > end {
                rows[net] = Some(row);
                end = last;
            }
        }
        left.retain(|net| rows[*net].is_none());
        row += 1;
    }
    (rows, row)
}
