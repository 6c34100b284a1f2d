//! The weights with which a network began.

use plugin_api::prelude::*;

/// Has every weight and buffer begin anew, from the session's seed and its path alone; nothing is masked any more.
pub(crate) fn begin_anew(session: &mut dyn Session) -> Result<()> {
    let arch = session.arch()?;
    let anew = session.weights("all")?;
    let anew = anew.iter().map(|(path, weight)| {
        let length = weight.size().first().copied().unwrap_or(1);
        let none = Tensor::f_full(length, -1, (Kind::Int64, weight.device()))?;
        Ok(Carry::renamed(path, path).along(0, none))
    });
    let anew = anew.collect::<Result<Vec<_>>>()?;
    session.replace(&arch, &anew)
}
