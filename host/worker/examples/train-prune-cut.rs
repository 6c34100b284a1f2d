//! Trains a network on handwritten digits, prunes its hidden units, cuts them out and trains on, without an experiment
//! file: the components come from the plugins that are linked, here `baselines`.
//!
//! ```sh
//! cargo run -p pleach-worker --example train-prune-cut
//! ```

// Its components are registered by linking it.
use baselines as _;
use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

fn main() -> Result<()> {
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let task = host().task(&"baselines/digits".into())?;
    let arch = Arch::new(task.ports()?.inputs)
        .layer("hidden", linear(64), &[("x", "in.x")])
        .layer("act", "baselines/activation", &[("x", "hidden.x")])
        .layer("answer", linear(10), &[("x", "act.x")])
        .output("y", "answer.x");
    let mut session = NetSession::new(arch, task.into(), 0, Device::Cpu)?;
    let backprop = Recipe::new("baselines/backprop").with("epochs", 20);
    let backprop = backprop.with(
        "transforms",
        json!([{ "use": "baselines/adam", "rate": 0.003 }]),
    );
    host().trainer(&backprop)?.fit(&mut session)?;
    say("trained", &session)?;

    // A unit is worth what goes in and out of it.
    let into = session.weights("hidden.weight")?["hidden.weight"]
        .square()
        .f_sum_dim_intlist(1, false, None)?; // [hidden]
    let out_of = session.weights("answer.weight")?["answer.weight"]
        .square()
        .f_sum_dim_intlist(0, false, None)?;
    let worth = into.f_mul(&out_of)?;
    session.prune(
        &Tensors::new().with("hidden.out", &worth),
        &Keep::Overall(0.25),
    )?;
    say("pruned", &session)?;

    // What was masked goes, in every weight along which its units lie.
    let (_, best) = worth.f_topk(16, 0, true, true)?;
    let (best, _) = best.f_sort(0, false)?;
    session.cut("hidden.out", &Vec::<i64>::try_from(best)?)?;
    say("cut", &session)?;

    host().trainer(&backprop)?.fit(&mut session)?;
    say("trained on", &session)?;

    // A file that is the whole network: architecture, weights, masks.
    let file = std::env::temp_dir().join("train-prune-cut.safetensors");
    session.save(&file)?;
    let task = host().task(&"baselines/digits".into())?;
    say(
        "saved",
        &NetSession::open(&file, task.into(), 0, Device::Cpu)?,
    )
}

fn say(what: &str, session: &NetSession) -> Result<()> {
    let parameters = session
        .cost("parameters", &Tensors::new())?
        .f_double_value(&[])?;
    let accuracy = session.evaluate("test", &Ask::eval())?["accuracy"];
    println!(
        "{what:<10}  {parameters:>5} parameters, {:.1} % right",
        100.0 * accuracy
    );
    Ok(())
}
