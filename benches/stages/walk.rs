//! The walk of a tree: listing folders and looking at each file. Counted in entries, and in the bytes
//! of the files that are looked at.

use crate::material;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use filbert::files::filter::Filter;
use filbert::files::source::resolve;
use filbert::files::walk::{Walk, WalkOptions};
use std::path::Path;
use std::sync::Arc;

const FILES: u64 = 2_000;

#[divan::bench(args = [0, 8])]
fn walking(bencher: Bencher<'_, '_>, excludes: usize) {
    let dir = material::folder();
    let bytes = BytesCount::new(material::tree(dir.path(), FILES));
    let sources = resolve(&[dir.path().to_owned()], Path::new("/")).unwrap();
    let root = sources.shown_root().unwrap();
    let patterns: Vec<_> = (0..excludes).map(|number| format!("*.unwanted{number}")).collect();
    let filter = Arc::new(Filter::new(&[], &patterns).unwrap());
    let walk = || Walk::new(&sources.sources, root.clone(), filter.clone(), WalkOptions::default());
    let entries = walk().count();
    assert!(entries as u64 > FILES);
    let counted = bencher.counter(ItemsCount::new(entries)).counter(bytes);
    counted.bench_local(|| walk().map(Result::unwrap).count());
}
