//! Which row of NAS-Bench-Graph an architecture has: graphs of four nodes that compute the same share one.
//!
//! A point is `link_id`, which says from whom each node takes its input, and the operations `op1` to `op4`. All 59,049
//! points but the nine that skip everywhere stand for one of the table's 26,206 rows. Source: Qin et al. 2022, and the
//! package of the benchmark.

use plugin_api::Json;
use plugin_api::prelude::*;

/// From whom the nodes take their inputs, by `link_id`: 0 is the network's input, 1 the first node.
const LINKS: [[usize; 4]; 9] = [
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 0, 1, 1],
    [0, 0, 1, 2],
    [0, 0, 1, 3],
    [0, 1, 1, 1],
    [0, 1, 1, 2],
    [0, 1, 2, 2],
    [0, 1, 2, 3],
];
/// The operation that hands its input on.
const SKIP: u64 = 8;
const COLUMNS: [&str; 5] = ["link_id", "op1", "op2", "op3", "op4"];

/// The values that the table has for what these compute.
pub(crate) fn canonical(values: &Named<Json>) -> Result<Named<Json>> {
    let number = |column| values.get(column).and_then(Json::as_u64);
    let numbers: Option<Vec<u64>> = COLUMNS.into_iter().map(number).collect();
    let graph = numbers.and_then(|numbers| {
        let links = LINKS.get(usize::try_from(numbers[0]).ok()?)?;
        Some((*links, [1, 2, 3, 4].map(|i| numbers[i])))
    });
    let Some((links, operations)) = graph else {
        let there: Vec<&str> = values.names().collect();
        return Err(Error::new("the point is none of NAS-Bench-Graph")
            .found(there.join(", "))
            .expected(format!("{}, each from 0 to 8", COLUMNS.join(", ")))
            .into());
    };
    let (links, operations) = sorted(skips_first(links, operations));
    let link_id = LINKS.iter().position(|known| *known == links);
    let link_id = link_id.context("the canonical graph is none of the nine")?;
    let canonical = COLUMNS
        .into_iter()
        .zip([link_id as u64].into_iter().chain(operations));
    Ok(canonical
        .map(|(column, n)| (column, Json::from(n)))
        .collect())
}

type Graph = ([usize; 4], [u64; 4]);

/// Moves nodes that skip to the front, as far as that changes nothing.
fn skips_first(mut links: [usize; 4], mut operations: [u64; 4]) -> Graph {
    for i in 0..4 {
        if operations[i] != SKIP {
            continue;
        }
        let son = links.contains(&(i + 1));
        let brother = (0..4).any(|j| j != i && links[j] == links[i]);
        if son || !brother || only_skips(&links, &operations, i) {
            let father = |link: usize| match link {
                own if own == i + 1 => links[i] + 1,
                earlier if earlier <= i => earlier + 1,
                later => later,
            };
            let mut moved = links.map(father);
            moved[..=i].rotate_right(1);
            moved[0] = 0;
            links = moved;
            operations[..=i].rotate_right(1);
        }
    }
    (links, operations)
}

/// Whether node `i` and all that it hangs on skip.
fn only_skips(links: &[usize; 4], operations: &[u64; 4], i: usize) -> bool {
    operations[i] == SKIP && (links[i] == 0 || only_skips(links, operations, links[i] - 1))
}

/// Brings the graph into the form of the table, and nodes that stand for each other into the order of their operations.
fn sorted((mut links, mut operations): Graph) -> Graph {
    match links {
        [0, 1, 2, 1] => operations.swap(2, 3),
        [0, 1, 1, 3] => operations.swap(1, 2),
        _ => {}
    }
    if matches!(links, [0, 1, 2, 1] | [0, 1, 1, 3]) {
        links = [0, 1, 1, 2];
    }
    match links {
        [0, 0, 0, 0] => operations.sort_unstable(),
        [0, 0, 0, 1] => operations[1..3].sort_unstable(),
        [0, 0, 1, 1] | [0, 1, 2, 2] => operations[2..].sort_unstable(),
        [0, 1, 1, 1] => operations[1..].sort_unstable(),
        [0, 0, 1, 2] => {
            let [a, b, c, d] = operations;
            if (b, d) < (a, c) {
                operations = [b, a, d, c];
            }
        }
        _ => {}
    }
    (links, operations)
}
