//! Distributions over the options of a supernet.

mod softmax;
