//! What belongs together in unlike numbers: the steps of sequences, the documents of queries, the pairs of a program.
//!
//! A batch holds them padded, `[batch, steps, ..]` beside `lengths`, `[batch]`, int64, for what goes step by step; or as
//! rows, those of one group behind those of the one before, `[rows, ..]`, beside a graph from rows to groups,
//! [`Graph::members`](crate::Graph::members), whose products, means and softmaxes are those of each group. What is here
//! goes from one form to the other.

use tch::{Kind, Tensor};

use crate::{Error, Result};

/// Which steps of padded sequences, `[batch, steps, ..]`, are theirs: `[batch, steps]`, bool.
///
/// # Errors
/// Where `lengths` are no whole numbers from 0 to `steps`, `[batch]`.
pub fn mask(lengths: &Tensor, [batch, steps]: [i64; 2]) -> Result<Tensor> {
    let whole = lengths.kind() == Kind::Int64 && lengths.size() == [batch];
    let within = |found: &Tensor| -> Result<bool> {
        let outside = found.f_lt(0)?.f_logical_or(&found.f_gt(steps)?)?;
        Ok(outside.f_any()?.f_int64_value(&[])? == 0)
    };
    if !whole || !within(lengths)? {
        return Err(Error::new("these are no lengths of sequences")
            .found(format!("{:?} {:?}", lengths.kind(), lengths.size()))
            .expected(format!("int64 [{batch}], numbers from 0 to {steps}"))
            .into());
    }
    let step = Tensor::f_arange(steps, (Kind::Int64, lengths.device()))?;
    Ok(step.f_lt_tensor(&lengths.f_unsqueeze(1)?)?)
}

/// Rows, `[rows, ..]`, as sequences of these lengths, `[batch, longest, ..]`; zeros stand behind each.
///
/// # Errors
/// Where the lengths do not add up to the rows.
pub fn pad(rows: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let batch = lengths.numel() as i64;
    let longest = match batch {
        0 => 0,
        _ => lengths.f_max()?.f_int64_value(&[])?,
    };
    let places = places(lengths, [batch, longest])?;
    if rows.dim() == 0 || rows.size()[0] != places.size()[0] {
        return Err(
            Error::new("the lengths of sequences do not add up to the rows")
                .found(format!(
                    "{} steps, rows {:?}",
                    places.size()[0],
                    rows.size()
                ))
                .into(),
        );
    }
    let of_row = &rows.size()[1..];
    let all = rows.f_new_zeros(
        [&[batch * longest], of_row].concat(),
        (rows.kind(), rows.device()),
    )?;
    let all = all.f_index_copy(0, &places, rows)?;
    Ok(all.f_view([&[batch, longest], of_row].concat().as_slice())?)
}

/// The steps of padded sequences, `[batch, steps, ..]`, as rows, `[rows, ..]`: what [`pad`] has padded.
///
/// # Errors
/// Where the lengths do not fit.
pub fn rows(padded: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let [batch, steps, ..] = padded.size()[..] else {
        return Err(Error::new("these are no padded sequences")
            .found(format!("{:?}", padded.size()))
            .expected("[batch, steps, ..]")
            .into());
    };
    let places = places(lengths, [batch, steps])?;
    Ok(padded.f_flatten(0, 1)?.f_index_select(0, &places)?)
}

/// Where steps stand among those of all sequences, padding included: `[rows]`.
fn places(lengths: &Tensor, size: [i64; 2]) -> Result<Tensor> {
    Ok(mask(lengths, size)?
        .f_view([-1])?
        .f_nonzero()?
        .f_view([-1])?)
}
