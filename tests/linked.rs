//! Plugins linked into a program: two of them, listed once each, and the same bits as from their files.

use std::collections::BTreeMap;

// A library that nobody names would be left out without a word: these lines are the list of plugins.
use baselines as _;
use dgmlp as _;
use pleach_tests::{Place, plugin, root, weights};
use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::plugin::{Plugin, linked};
use plugin_api::role::Trainer;
use plugin_api::{Arch, PluginCard, Recipe, Result, Session};
use tch::{Device, Kind};

#[test]
fn linked_and_loaded_use_give_the_same_bits() -> Result<()> {
    let gcn = std::fs::read_to_string(root().join("examples/gcn.json"))?;
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'gcn'\narch = 'gcn.json'\ntrain = { use = 'baselines/backprop', epochs = 20 }\n",
    );
    std::fs::write(place.folder.path().join("gcn.json"), &gcn)?;
    let run = place.run(&[]);
    let file = &weights(&run)[0].1;
    let loaded = safetensors::SafeTensors::deserialize(file)?;

    tch::set_num_threads(1);
    let arch: Arch = serde_json::from_str(&gcn)?;
    let task = host().task(&Recipe::new("baselines/digits-graph"))?;
    let mut session = NetSession::new(arch, task.into(), 0, Device::Cpu)?;
    host()
        .trainer(&Recipe::new("baselines/backprop").with("epochs", 20))?
        .fit(&mut session)?;
    let linked: BTreeMap<String, Vec<f32>> = session
        .weights("all")?
        .iter()
        .map(|(path, w)| Ok((path.to_string(), Vec::try_from(w.flatten(0, -1))?)))
        .collect::<Result<_>>()?;

    assert_eq!(linked.len(), 4, "{:?}", linked.keys());
    assert_eq!(loaded.len(), linked.len());
    for (path, values) in linked {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert!(loaded.tensor(&path)?.data() == bytes, "`{path}` differs");
    }
    assert_eq!(
        session.weights("first.weight")?["first.weight"].kind(),
        Kind::Float
    );
    Ok(())
}

/// Each exports a header of its own name; of one name the linker would refuse the second.
#[test]
fn trap_09_two_plugins_linked_into_one_program_both_work() -> Result<()> {
    for component in ["baselines/linear", "dgmlp/propagation"] {
        host().layer(&Recipe::new(component))?;
    }
    Ok(())
}

#[test]
fn trap_10_a_plugin_that_is_linked_cannot_be_loaded_as_well() {
    host();
    let error = pleach_worker::load(&plugin("baselines")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin `baselines` is there twice\n  help: link it into the program or load its file, not both"
    );
}

#[test]
fn trap_11_every_plugin_that_is_named_is_linked_and_no_other() -> Result<()> {
    let cards = linked()
        .iter()
        .map(Plugin::card)
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = cards.iter().map(|card| card.name.as_str()).collect();
    assert_eq!(names, ["baselines", "dgmlp"]);
    Ok(())
}

/// The linker decides in which order components register; it differs between a program and a file.
#[test]
fn trap_12_linked_and_loaded_plugins_list_their_components_in_one_order() -> Result<()> {
    let place = Place::new("");
    for name in ["baselines", "dgmlp"] {
        let output = place
            .pleach(&["plugins", "info", name, "--json"])
            .output()?;
        let loaded: PluginCard = serde_json::from_slice(&output.stdout)?;
        let linked = host().plugin(name)?.card()?;
        assert_eq!(linked, loaded);
        assert!(linked.components.is_sorted_by_key(|c| (&c.role, &c.name)));
    }
    Ok(())
}
