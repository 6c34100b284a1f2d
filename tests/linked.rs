//! Plugins linked into a program: listed once each, and the same bits as from their files.

use std::collections::BTreeMap;

// A library that nobody names would be left out without a word: these lines are the list of plugins.
use baselines as _;
use dgmlp as _;
use gradsign as _;
use lottery_ticket as _;
use pleach::journal::Journal;
use pleach_tests::{Place, plugin, root, weights};
use pleach_worker::{AskTell, NetSession, host};
use plugin_api::host::Services;
use plugin_api::plugin::{Plugin, linked};
use plugin_api::role::{Scorer, Trainer};
use plugin_api::{Arch, Ask, Error, PluginCard, Recipe, Result, Session, TrialId};
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

/// A score of single samples, each in a pass as in training.
#[test]
fn linked_and_loaded_use_give_the_same_score() -> Result<()> {
    let mlp = std::fs::read_to_string(root().join("examples/mlp.json"))?;
    let place = Place::new(
        "task = 'baselines/digits'\nseed = 5\n[[stage]]\nname = 'net'\narch = 'mlp.json'\n\
         score = { use = 'gradsign/gradsign', samples = 20 }\n",
    );
    std::fs::write(place.folder.path().join("mlp.json"), &mlp)?;
    let journal = Journal::open(&place.run(&[]).join("journal.sqlite"))?;
    let loaded = journal
        .entries(0)?
        .remove(0)
        .result
        .expect("it has ended")?;

    tch::set_num_threads(1);
    let task = host().task(&Recipe::new("baselines/digits"))?;
    let arch: Arch = serde_json::from_str(&mlp)?;
    let mut session = NetSession::new(arch, task.into(), 5, Device::Cpu)?;
    let scorer = Recipe::new("gradsign/gradsign").with("samples", 20);
    let linked = host().scorer(&scorer)?.score(&mut session)?;
    assert!(linked > 0.0);
    assert_eq!(linked, loaded.metrics["score.gradsign"]);
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
    assert_eq!(names, ["baselines", "dgmlp", "gradsign", "lottery-ticket"]);
    Ok(())
}

/// The linker decides in which order components register; it differs between a program and a file.
#[test]
fn trap_12_linked_and_loaded_plugins_list_their_components_in_one_order() -> Result<()> {
    let place = Place::new("");
    for name in ["baselines", "dgmlp", "gradsign", "lottery-ticket"] {
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

/// Asked and told by hand, a strategy proposes what it does in a study, and what it is told is the same.
#[test]
fn a_search_by_hand_is_that_of_a_study() -> Result<()> {
    let place = Place::new(
        "task = 'baselines/digits'\nseed = 4\n[[stage]]\nname = 'found'\n\
         search = { use = 'baselines/evolution', population = 3, sample = 2 }\nspace = 'baselines/mlp-space'\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 2 } }]\nbudget = 8\n",
    );
    let run = place.run(&[]);
    let journal = Journal::open(&run.join("journal.sqlite"))?;
    let studied = journal.entries(0)?;

    tch::set_num_threads(1);
    let task = host().task(&Recipe::new("baselines/digits"))?;
    let trainer = host().trainer(&Recipe::new("baselines/backprop").with("epochs", 2))?;
    let strategy = Recipe::new("baselines/evolution")
        .with("population", 3)
        .with("sample", 2);
    let space = Recipe::new("baselines/mlp-space");
    let mut search = AskTell::new(&strategy, &space, task.into(), 4, Device::Cpu)?;
    for trial in &studied {
        let [id] = search.ask(1)?[..] else {
            panic!("one was asked for");
        };
        assert_eq!(Some(search.proposal(id)?), trial.proposal.as_ref());
        let mut session = search.session(id)?;
        trainer.fit(&mut session)?;
        let value = session.evaluate("val", &Ask::eval())?["accuracy"];
        let done = trial.result.clone().expect("it has ended")?;
        assert_eq!(value, done.metrics["val.accuracy"], "{id}");
        search.tell(id, Ok::<_, Error>(value))?;
    }
    let values = studied
        .iter()
        .map(|trial| trial.result.clone().unwrap().unwrap());
    let best = values
        .map(|done| done.metrics["val.accuracy"])
        .fold(0.0, f64::max);
    assert_eq!(search.best().map(|(_, value)| value), Some(best));

    let [id] = search.ask(1)?[..] else {
        panic!("one was asked for");
    };
    search.tell(id, Err(Error::new("out of luck")))?;
    let refused = search.tell(id, Ok::<_, Error>(f64::NAN)).unwrap_err();
    assert!(refused.to_string().contains("is worth NaN"), "{refused}");
    let unknown = search.session(TrialId(99)).map(|_| ()).unwrap_err();
    assert!(
        unknown.to_string().contains("nothing was asked for as t99"),
        "{unknown}"
    );
    Ok(())
}
