//! Writing through, as far as it can be seen from outside: what is promised is on the disk is found there.

use std::thread;

use crate::support::{Folder, append, open};

#[test]
fn it_says_up_to_where_everything_is_safe() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let syncer = spool.syncer();
    assert_eq!(syncer.sync().unwrap(), 0);
    for _ in 0..30 {
        append(&mut spool, 3, 900).unwrap();
    }
    assert_eq!(syncer.sync().unwrap(), 90);
    spool.release(80);
    append(&mut spool, 3, 900).unwrap();
    assert_eq!(spool.sync().unwrap(), 93);
    drop(spool);
    let (spool, _) = open(&folder);
    assert_eq!(
        spool.syncer().sync().unwrap(),
        93,
        "what an earlier run left is written through too"
    );
}

#[test]
fn callers_that_come_at_once_are_all_answered() {
    let folder = Folder::new();
    let (mut spool, _) = open(&folder);
    let syncer = spool.syncer();
    thread::scope(|scope| {
        for round in 1..=50_u64 {
            append(&mut spool, 1, 700).unwrap();
            for _ in 0..4 {
                let syncer = syncer.clone();
                scope.spawn(move || assert!(syncer.sync().unwrap() >= round));
            }
            spool.release(round - 1);
        }
    });
}
