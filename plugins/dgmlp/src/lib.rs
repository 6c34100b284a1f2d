//! Evaluating Deep Graph Neural Networks (DGMLP): propagation apart from transformation, each as deep as it needs to be.

mod propagation;

plugin_api::plugin!(paper = "Zhang et al. 2021, arXiv 2108.00955");
