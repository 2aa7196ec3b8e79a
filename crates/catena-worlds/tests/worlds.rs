//! A seed says everything about its world.

use catena_worlds::{kept_seeds, run};

#[test]
fn a_seed_makes_the_same_world_each_time() {
    for seed in 0..25 {
        let (first, second) = (run(seed).expect("a world"), run(seed).expect("a world"));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!((first.digest(), first.violations), (second.digest(), second.violations), "seed {seed}");
    }
}

#[test]
fn worlds_that_were_broken_once_hold() {
    let mut count = 0;
    for seed in kept_seeds() {
        let report = run(seed).expect("a world");
        assert!(report.holds(), "seed {seed}: {:?}", report.violations);
        count += 1;
    }
    assert!(count >= 4, "the file of kept seeds is read");
}

#[test]
fn worlds_are_not_all_the_same_and_not_all_quiet() {
    let worlds: Vec<_> = (0..40).map(|seed| run(seed).expect("a world")).collect();
    let digests: std::collections::BTreeSet<u64> = worlds.iter().map(catena_worlds::Report::digest).collect();
    assert_eq!(digests.len(), worlds.len());
    assert!(worlds.iter().map(|world| world.crashes).sum::<u64>() > 20);
    assert!(worlds.iter().map(|world| world.attempts).sum::<u64>() > 200);
    assert!(worlds.iter().map(|world| world.executions).sum::<usize>() > 80);
}
