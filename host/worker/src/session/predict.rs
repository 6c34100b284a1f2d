//! What a network says of samples in a file.

use plugin_api::role::Task;
use plugin_api::{Answers, Ask, Batch, Result, Value};
use tch::Device;

use super::NetSession;

impl NetSession {
    /// Runs the network on the samples in this file, as the task reads them, and has the task say what comes out.
    ///
    /// # Errors
    /// Where the task is not one of files, or the file holds no such samples.
    pub fn predict(&self, file: &str) -> Result<Answers> {
        let batch = self.on_device(self.task.inputs(file)?)?;
        let seen = tch::no_grad(|| self.run(&batch, &Ask::eval()))?;
        let outputs = seen.outputs.into_iter().map(|(port, value)| {
            let value: Value = match value {
                Value::Tensor(t) => t.f_to_device(Device::Cpu)?.into(),
                value => value,
            };
            Ok((port, value))
        });
        let outputs: Batch = outputs.collect::<Result<_>>()?;
        self.task.answers(file, &outputs)
    }
}
