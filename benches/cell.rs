//! What a cell costs more than running its command by itself: on `bare`, with an empty script.

use criterion::{Criterion, criterion_group, criterion_main};
fn bench(_c: &mut Criterion) {}
criterion_group!(benches, bench);
criterion_main!(benches);
