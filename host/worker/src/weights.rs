//! Weights as files: safetensors, with what they belong to in the metadata.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use pleach::files::write_whole;
use plugin_api::{Context, Error, Result, Tensors};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

/// The key under which a file of weights says to which architecture they belong.
pub(crate) const ARCH: &str = "arch";

/// Writes tensors with a text under a key, whole or not at all.
pub(crate) fn save(path: &Path, tensors: &Tensors, (key, text): (&str, &str)) -> Result<()> {
    let bytes = tensors
        .iter()
        .map(|(name, t)| Ok((name, bytes_of(t)?)))
        .collect::<Result<Vec<_>>>()?;
    let views = tensors.iter().zip(&bytes).map(|((name, t), (_, bytes))| {
        let shape = t.size().iter().map(|n| *n as usize).collect();
        Ok((name, TensorView::new(dtype(t.kind())?, shape, bytes)?))
    });
    // One key alone: a map has no order, and equal weights must be equal files.
    let metadata = HashMap::from([(key.to_string(), text.to_string())]);
    let whole = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))?;

    write_whole(path, &whole).with_context(|| format!("writing {}", path.display()))
}

/// Reads the tensors of a file.
pub(crate) fn load(path: &Path) -> Result<Tensors> {
    tensors(path, &read(path)?)
}

/// Reads what [`save`] wrote under this key.
pub(crate) fn load_with(path: &Path, key: &str) -> Result<(String, Tensors)> {
    let bytes = read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unreadable(path, &e))?;
    let text = header.metadata().as_ref().and_then(|texts| texts.get(key));
    let text = text.ok_or_else(|| Error::new(format!("{} has no `{key}`", path.display())))?;
    Ok((text.clone(), tensors(path, &bytes)?))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn unreadable(path: &Path, why: &SafeTensorError) -> Error {
    Error::new(format!("{} holds no weights: {why}", path.display()))
}

fn tensors(path: &Path, bytes: &[u8]) -> Result<Tensors> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| unreadable(path, &e))?;
    let mut names = file.names();
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| {
            let view = file.tensor(name)?;
            let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
            Ok((
                name,
                Tensor::f_from_data_size(view.data(), &shape, kind(view.dtype())?)?,
            ))
        })
        .collect()
}

/// The bytes of a tensor's elements, in their order.
pub(crate) fn bytes_of(t: &Tensor) -> Result<Vec<u8>> {
    let t = t.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; t.numel() * t.kind().elt_size_in_bytes()];
    t.f_copy_data_u8(&mut bytes, t.numel())?;
    Ok(bytes)
}

fn dtype(kind: Kind) -> Result<Dtype> {
    Ok(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Uint8 => Dtype::U8,
        Kind::Bool => Dtype::BOOL,
        other => {
            return Err(Error::new(format!("weights of kind {other:?} cannot be saved")).into());
        }
    })
}

fn kind(dtype: Dtype) -> Result<Kind> {
    Ok(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        other => {
            return Err(
                Error::new(format!("weights of type {other:?} cannot be loaded"))
                    .expected("f32, f64, f16, bf16, i64, i32, u8 or bool")
                    .into(),
            );
        }
    })
}
