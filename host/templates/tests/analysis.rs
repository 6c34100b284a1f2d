//! Counts on a bench whose subjects are known.

use pleach_worker::SubjectBench;
use plugin_api::prelude::*;

use crate::session::{own, session, task};

#[test]
fn counts_the_weights_of_each_subject() {
    // The weights of the first are as they begin, 0.5 and -1.5; one of the second is 0.
    let mut masked = session();
    let mask = Tensor::from_slice2(&[[1.0], [0.0]]);
    masked
        .mask(&Tensors::new().with("map.weight", mask))
        .unwrap();
    let mut bench = SubjectBench::new(task(), 0, Device::Cpu);
    for (name, subject) in [("begun", session()), ("masked", masked)] {
        let snapshot = subject.snapshot("all, masks").unwrap();
        bench.put(name, subject.arch().unwrap(), snapshot, vec![]);
    }
    let check = |threshold: f64, begun: f64, in_masked: f64| {
        let report = bench
            .measure(&own("small-weights").with("threshold", threshold))
            .unwrap();
        let expected = Named::new()
            .with("begun.weights", 2.0)
            .with("begun.small", begun)
            .with("masked.weights", 2.0)
            .with("masked.small", in_masked);
        assert_eq!(report.metrics, expected);
    };
    check(0.0, 0.0, 0.5);
    check(0.5, 0.5, 1.0);
    check(2.0, 1.0, 1.0);
}
