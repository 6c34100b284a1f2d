//! `pleach export`.

use std::fs;
use std::path::{Path, PathBuf, absolute};

use clap::{Args, ValueEnum};
use pleach::error::Context;
use pleach::protocol::{self, Format};
use pleach::study::Purpose;
use plugin_api_data::{Error, Source};
use serde_json::json;

use super::made::Made;
use super::{Failure, print, print_json};

/// What `--help` says below the options.
const MORE: &str = "\
The weights are those that evaluation uses: masked ones are zeros, and what a hypernet makes is made. Their names are \
pleach's paths, and so are the keys of the PyTorch module's `state_dict` and the initializers of ONNX. Files that are there already are replaced.

It is the network alone: it takes what the task makes of data, and gives what the task reads answers from. `baselines/table`, \
for one, scales numbers by the rows for training and counts classes in the order of their names; `pleach predict` does both.

Example:
  pleach export runs/lenet-mnist-1 --to pytorch --out lenet
  python -c '
  from safetensors.torch import load_file
  from lenet import Network
  network = Network()
  network.load_state_dict(load_file(\"lenet.safetensors\"))'

  pleach export runs/lenet-mnist-1 --to onnx --out lenet
  python -c '
  import numpy, onnxruntime
  network = onnxruntime.InferenceSession(\"lenet.onnx\")
  images = numpy.zeros([5, 1, 28, 28], \"float32\")
  print(network.run(None, {\"x\": images}))'";

#[derive(Args)]
#[command(after_long_help = MORE)]
pub(super) struct Export {
    /// The folder of the run
    run: PathBuf,
    /// The stage that has made the network [default: the last that handed on weights]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The seed with which it was made [default: the first]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What to write
    #[arg(long, value_enum, default_value_t = To::Safetensors)]
    to: To,
    /// Where to write it; endings are added [default: STAGE_sSEED, here]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    /// The weights, with the architecture in the metadata
    Safetensors,
    /// The same beside a Python file with the network as `nn.Module`
    Pytorch,
    /// One file for ONNX Runtime and others, opset 18, with the architecture in the metadata
    Onnx,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let made = Made::open(&self.run, &[])?;
        let seed = self.seed.unwrap_or(made.experiment.seed);
        let (stage, seeds) = made.networks(self.stage.as_deref(), Some(seed))?;
        let file = self.file(stage, seed)?;
        let name = made.run.folder().file_name().unwrap_or_default();
        let export = protocol::Export {
            format: match self.to {
                To::Safetensors => Format::Safetensors,
                To::Pytorch => Format::Pytorch,
                To::Onnx => Format::Onnx,
            },
            file: absolute(&file).context(|| "there is no working directory".into())?,
            about: format!(
                "The network of stage `{stage}`, seed {seed}, of the run `{}`, as pleach {} exports it.",
                name.display(),
                env!("CARGO_PKG_VERSION")
            ),
        };
        // What a GPU has learned is written as well without one.
        let settings = made.settings("cpu".into());
        made.look(
            &settings,
            (stage, &seeds),
            &Purpose::Export(export),
            self.json,
        )?;
        let endings: &[&str] = match self.to {
            To::Safetensors => &["safetensors"],
            To::Pytorch => &["py", "safetensors"],
            To::Onnx => &["onnx"],
        };
        let files = endings
            .iter()
            .map(|ending| file.with_added_extension(ending));
        let files: Vec<PathBuf> = files.collect();
        if self.json {
            return print_json(&json!({ "stage": stage, "seed": seed, "files": files }));
        }
        for file in files {
            print(&file.display().to_string());
        }
        Ok(())
    }

    /// The files without their endings; their folder is made.
    fn file(&self, stage: &str, seed: u64) -> Result<PathBuf, Error> {
        let Some(out) = &self.out else {
            return Ok(Source::argument(&format!("{stage}_s{seed}")).into());
        };
        if out.file_name().is_none() {
            return Err(Error::new("a network is written to a file")
                .found(out.display())
                .expected("a path that ends in the file's name"));
        }
        let folder = out.parent().unwrap_or(Path::new(""));
        if folder != Path::new("") {
            fs::create_dir_all(folder)
                .context(|| format!("cannot make the folder `{}`", folder.display()))?;
        }
        match out.extension().and_then(|e| e.to_str()) {
            Some("py" | "safetensors" | "onnx") => Ok(out.with_extension("")),
            _ => Ok(out.clone()),
        }
    }
}
