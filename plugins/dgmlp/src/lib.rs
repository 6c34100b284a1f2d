//! Evaluating Deep Graph Neural Networks (DGMLP): propagation apart from transformation, each as deep as it needs to be, and
//! the study that shows why.

mod depths;
mod propagation;
mod smoothing;
mod smoothness;
mod sweep;
mod transformation;

plugin_api::plugin!(
    paper = "Zhang et al. 2021, arXiv 2108.00955",
    claims = [
        "experiments/cora.toml",
        "experiments/citeseer.toml",
        "experiments/depth.toml",
        "experiments/past.toml",
        "experiments/entangled.toml",
        "experiments/amazon-cs.toml",
    ]
);
