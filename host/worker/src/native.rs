//! The C++ of `native/`, kernels and TorchScript, with what it relies on checked once.

mod draw;
mod edges;
#[cfg(test)]
mod kernels;
mod script;
mod update;

pub(crate) use draw::{dropout, uniform};
pub(crate) use edges::{attend, attention, max, softmax};
pub use script::Script;
pub(crate) use update::{adam, add, masked, sgd};

use std::ffi::{CStr, c_char};

use plugin_api::{Error, Result, Tensor};
use tch::{Kind, TchError};
use torch_sys::C_tensor;

/// A matrix with its transpose, laid out as in `native/sparse.cpp`.
#[repr(C)]
struct Given {
    ptr: *const C_tensor,
    col: *const C_tensor,
    val: *const C_tensor,
    t_ptr: *const C_tensor,
    t_col: *const C_tensor,
    t_val: *const C_tensor,
}

impl Given {
    fn of(csr: &Csr) -> Given {
        let (rows, columns) = (&csr.pattern.rows, &csr.pattern.columns);
        Given {
            ptr: rows.starts.as_ptr(),
            col: rows.across.as_ptr(),
            val: csr.by_row.as_ptr(),
            t_ptr: columns.starts.as_ptr(),
            t_col: columns.across.as_ptr(),
            t_val: csr.by_column.as_ptr(),
        }
    }
}

unsafe extern "C" {
    fn pleach_spmm(a: &Given, x: *const C_tensor) -> *mut C_tensor;
    fn pleach_power(a: &Given, x: *const C_tensor, hops: i64) -> *mut C_tensor;
    fn pleach_native_error() -> *const c_char;
}

// SAFETY, of both: live tensors for the time of the call, of which a kernel makes handles of its own. It checks kinds,
// lengths and devices; that indices are in bounds it takes from `Pattern`, which has checked them and gives nobody its
// tensors. It throws nothing.

/// `csr * x`, where `x` is `[columns, features]`: `[rows, features]`.
///
/// It can be differentiated with respect to `x` any number of times; the values of the matrix are constants. The result
/// has the same bits with any number of threads.
///
/// # Errors
/// Where `x` has another kind than the values, or does not fit.
pub(crate) fn spmm(csr: &Csr, x: &tch::Tensor) -> Result<tch::Tensor> {
    // SAFETY: as above.
    unsafe { owned(pleach_spmm(&Given::of(csr), x.as_ptr())) }
}

/// `csr` so many times, at least once, times `x`: [`spmm`] again and again, to the same bits, as a constant. A block of
/// columns goes all its hops before the next one begins, so that it stays in the cache.
///
/// # Errors
/// As above, and where a matrix that is multiplied by itself is not square.
pub(crate) fn power(csr: &Csr, x: &tch::Tensor, hops: i64) -> Result<tch::Tensor> {
    // SAFETY: as above.
    unsafe { owned(pleach_power(&Given::of(csr), x.as_ptr(), hops)) }
}

/// What a kernel returned.
///
/// # Errors
/// Where it is null: why this thread's last kernel failed.
///
/// # Safety
/// It must be null, or a tensor from `new`, which nobody else owns.
unsafe fn owned(t: *mut C_tensor) -> Result<tch::Tensor> {
    if t.is_null() {
        return Err(failure());
    }
    // SAFETY: the caller's word.
    Ok(unsafe { tch::Tensor::from_ptr(t) })
}

/// Why this thread's last kernel failed.
fn failure() -> anyhow::Error {
    // SAFETY: after a failure it is a text that ends in 0 and stays until this thread's next call.
    let message = unsafe { CStr::from_ptr(pleach_native_error()) };
    TchError::Torch(message.to_string_lossy().trim().into()).into()
}

/// A sparse matrix and its transpose, on the CPU. A clone is a second handle.
#[derive(Clone)]
pub(crate) struct Csr {
    pattern: Pattern,
    by_row: Tensor,
    by_column: Tensor,
}

impl Csr {
    /// A matrix of these values, one for each entry of the pattern and in the order of its rows.
    ///
    /// # Errors
    /// Where their number differs.
    pub(crate) fn new(pattern: Pattern, values: &tch::Tensor) -> Result<Csr> {
        let values = values.f_detach()?.f_contiguous()?;
        if values.size() != pattern.order.size() {
            let expected = format!("{:?}, one for each entry", pattern.order.size());
            return Err(Error::new("a sparse matrix lacks values")
                .found(format!("{:?}", values.size()))
                .expected(expected)
                .into());
        }
        let by_column = values.f_index_select(0, &pattern.order)?;
        Ok(Csr {
            pattern,
            by_row: values.into(),
            by_column: by_column.into(),
        })
    }
}

/// Where the entries of a sparse matrix are. A clone is a second handle.
#[derive(Clone)]
pub(crate) struct Pattern {
    rows: Lines,
    columns: Lines,
    /// For each entry, by columns, its number by rows.
    order: Tensor,
}

/// Entries by rows, or by columns. Every index is in bounds: the kernels rely on it.
#[derive(Clone)]
struct Lines {
    /// Where each line starts, and where the last one ends.
    starts: Tensor,
    /// Which line of the other direction an entry is on.
    across: Tensor,
}

impl Pattern {
    /// A matrix of `rows` by `columns` with an entry at each pair of `at_row`, ascending, and `at_column`.
    ///
    /// # Errors
    /// Where an entry is out of bounds or order, or there are more than 32 bits count.
    pub(crate) fn new(
        rows: usize,
        columns: usize,
        at_row: &[i64],
        at_column: &[i64],
    ) -> Result<Pattern> {
        let within = |lines: usize, at: &[i64]| {
            at.iter()
                .all(|&i| usize::try_from(i).is_ok_and(|i| i < lines))
        };
        if at_row.len() != at_column.len()
            || !at_row.is_sorted()
            || !within(rows, at_row)
            || !within(columns, at_column)
        {
            return Err(
                Error::new("the entries of a sparse matrix are out of order or bounds").into(),
            );
        }
        let largest = rows.max(columns).max(at_row.len());
        if i32::try_from(largest).is_err() {
            return Err(Error::new("a sparse matrix is too large")
                .found(format!(
                    "{rows} rows, {columns} columns, {} entries",
                    at_row.len()
                ))
                .expected(format!("at most {} of each", i32::MAX))
                .into());
        }
        let order = stable_order(at_column, columns, 0..at_row.len())?;
        let transposed: Vec<i64> = order.iter().map(|&e| at_row[e]).collect();
        Ok(Pattern {
            rows: Lines::new(&starts(at_row, rows)?, at_column)?,
            columns: Lines::new(&starts(at_column, columns)?, &transposed)?,
            order: int32(order.iter().map(|&e| e as i64))?,
        })
    }
}

impl Lines {
    fn new(starts: &[usize], across: &[i64]) -> Result<Lines> {
        Ok(Lines {
            starts: int32(starts.iter().map(|&start| start as i64))?,
            across: int32(across.iter().copied())?,
        })
    }
}

fn int32(numbers: impl Iterator<Item = i64>) -> Result<Tensor> {
    let numbers: Vec<i64> = numbers.collect();
    Ok(tch::Tensor::f_from_slice(&numbers)?
        .f_to_kind(Kind::Int)?
        .into())
}

/// Where each of `groups` starts if entries are grouped by their keys, and where the last one ends.
///
/// # Errors
/// Where there is no memory for as many: an allocation that fails would end the process.
fn starts(keys: &[i64], groups: usize) -> Result<Vec<usize>> {
    let mut starts = vec![];
    if starts.try_reserve_exact(groups.saturating_add(1)).is_err() {
        return Err(
            Error::new("there is no memory for as many lines of a sparse matrix")
                .found(groups)
                .into(),
        );
    }
    starts.resize(groups + 1, 0);
    for &key in keys {
        starts[key as usize + 1] += 1;
    }
    for i in 0..groups {
        starts[i + 1] += starts[i];
    }
    Ok(starts)
}

/// These entries ordered by their keys; those of one key stay as they come. Takes linear time.
///
/// # Errors
/// As above.
///
/// # Panics
/// Where a key is not one of `0..groups`.
pub(crate) fn stable_order(
    keys: &[i64],
    groups: usize,
    entries: impl ExactSizeIterator<Item = usize>,
) -> Result<Vec<usize>> {
    let mut next = starts(keys, groups)?;
    let mut order = vec![0; entries.len()];
    for entry in entries {
        let place = &mut next[keys[entry] as usize];
        order[*place] = entry;
        *place += 1;
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// Rows 0 and 2 have entries, row 1 none; column 2 has none; (2, 0) is there twice.
    fn csr(kind: Kind) -> Csr {
        let pattern = Pattern::new(3, 4, &[0, 2, 2, 2], &[3, 0, 0, 1]).unwrap();
        Csr::new(
            pattern,
            &tch::Tensor::from_slice(&[2., 3., 5., 7.]).to_kind(kind),
        )
        .unwrap()
    }

    fn dense(kind: Kind) -> tch::Tensor {
        tch::Tensor::from_slice(&[0., 0., 0., 2., 0., 0., 0., 0., 8., 7., 0., 0.])
            .reshape([3, 4])
            .to_kind(kind)
    }

    #[test]
    fn multiplies_any_number_of_columns() {
        for kind in [Kind::Float, Kind::Double] {
            for features in (0..40).chain([63, 64, 65, 127, 128, 129, 200, 257]) {
                let x = tch::Tensor::randint(9, [4, features], (kind, Device::Cpu));
                assert_eq!(
                    spmm(&csr(kind), &x).unwrap(),
                    dense(kind).matmul(&x),
                    "{features} columns of {kind:?}"
                );
            }
        }
    }

    #[test]
    fn takes_x_in_any_layout() {
        let x = tch::Tensor::randint(9, [10, 8], (Kind::Double, Device::Cpu));
        for x in [
            x.tr().narrow(0, 2, 4),
            x.narrow(0, 0, 1).expand([4, 8], false),
            x.slice(0, 0, 8, 2),
        ] {
            assert_eq!(
                spmm(&csr(Kind::Double), &x).unwrap(),
                dense(Kind::Double).matmul(&x)
            );
        }
    }

    #[test]
    fn tells_what_does_not_fit() {
        let said = |x: &tch::Tensor| spmm(&csr(Kind::Float), x).unwrap_err().to_string();
        let zeros = |size: &[i64], kind| tch::Tensor::zeros(size, (kind, Device::Cpu));
        assert!(
            said(&zeros(&[3, 2], Kind::Float))
                .contains("spmm: x must be [4, features], found [3, 2]")
        );
        assert!(
            said(&zeros(&[4], Kind::Float)).contains("spmm: x must be [4, features], found [4]")
        );
        assert!(said(&zeros(&[4, 2], Kind::Double)).contains("spmm: matrix and x differ in kind"));
        assert!(
            said(&zeros(&[4, 2], Kind::Float).to_sparse(None, None::<i64>, None))
                .contains("spmm: x must be dense and on the CPU")
        );
        assert!(said(&tch::Tensor::new()).contains("spmm: matrix and x differ in kind"));
    }

    #[test]
    fn refuses_entries_out_of_bounds() {
        for (rows, columns, at_row, at_column) in [
            (2, 2, vec![0, 2], vec![0, 0]),
            (2, 2, vec![0, 1], vec![-1, 0]),
            (2, 2, vec![1, 0], vec![0, 0]),
            (2, 2, vec![0], vec![0, 1]),
        ] {
            assert!(Pattern::new(rows, columns, &at_row, &at_column).is_err());
        }
        let pattern = Pattern::new(2, 2, &[0], &[1]).unwrap();
        assert!(Csr::new(pattern, &tch::Tensor::from_slice(&[1., 2.])).is_err());
    }
}
