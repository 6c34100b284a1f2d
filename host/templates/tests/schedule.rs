//! The ramp at its ends and between them.

use plugin_api::plugin::Plugin;
use plugin_api::role::Schedule;
use plugin_api::serde_json::json;

use crate::{params, plugin};

#[test]
fn climbs_evenly_and_stays() {
    let given = params(json!({ "end": 0.5, "steps": 4 }));
    let ramp = plugin().schedule("ramp", &given).unwrap();
    let values = [0, 1, 2, 3, 4, 1000].map(|step| ramp.at(step));
    assert_eq!(values, [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]);
}
