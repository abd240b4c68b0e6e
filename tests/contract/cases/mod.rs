//! All cases, by their subject.

mod descriptors;
mod ends;
mod failures;
mod flags;
mod grandchildren;
mod life;
mod signals;
mod terminals;

use crate::case::Case;

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let groups = [
        ends::cases(),
        failures::cases(),
        flags::cases(),
        life::cases(),
        signals::cases(),
        grandchildren::cases(),
        descriptors::cases(),
        terminals::cases(),
    ];
    groups.into_iter().flatten().collect()
}
