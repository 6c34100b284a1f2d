//! What the space leaves open, and what stands around it.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::{self, json};

use crate::{params, plugin};

fn ports() -> Ports {
    Ports {
        inputs: Shapes::new().with("x", vec![axis("batch", None), axis("features", 3)]),
        targets: Shapes::new(),
        outputs: Shapes::new().with("answer", vec![axis("batch", None), axis("classes", 5)]),
        metric: "accuracy".into(),
        higher_is_better: true,
    }
}

#[test]
fn leaves_the_width_and_the_layer_open() {
    let layers = json!(["some/layer", { "use": "other/layer", "hops": 2 }]);
    let given = params(json!({ "widths": [4, 8], "layers": layers }));
    let space = plugin().space("sandwich", &given).unwrap();
    let decisions = serde_json::to_value(space.decisions(&ports()).unwrap()).unwrap();
    assert_eq!(
        decisions,
        json!([
            { "name": "width", "domain": { "options": [4, 8] } },
            { "name": "layer", "domain": { "options": [
                { "use": "some/layer" },
                { "use": "other/layer", "hops": 2 },
            ] } },
        ])
    );

    // The whole network, as it would stand in a file.
    let supernet = space.supernet(&ports()).unwrap().unwrap();
    let nodes = serde_json::to_value(&supernet.nodes).unwrap();
    assert_eq!(
        nodes,
        json!([
            { "name": "first", "inputs": { "x": "in.x" },
              "layer": { "use": "baselines/linear", "out": { "decide": "width" } } },
            { "name": "middle", "inputs": { "x": "first.x" },
              "mix": { "decision": "layer", "options": [
                  { "option": 0, "layer": { "use": "some/layer" } },
                  { "option": 1, "layer": { "use": "other/layer", "hops": 2 } },
              ] } },
            { "name": "last", "inputs": { "x": "middle.x" },
              "layer": { "use": "baselines/linear", "out": 5 } },
        ])
    );
    assert_eq!(supernet.outputs["answer"].0, "last.x");
}
