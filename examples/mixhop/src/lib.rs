//! A plugin of a third party: it depends on the API alone, and its layers stand beside those of any other plugin.

mod low_rank;
mod mixhop;

plugin_api::plugin!(paper = "Abu-El-Haija et al. 2019, arXiv 1905.00067");
