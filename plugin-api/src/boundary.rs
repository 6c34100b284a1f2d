//! How values and calls cross from one library into another.
//!
//! The `#[boundary]` macro writes the calls; here is what they are made of. Nothing else in this crate knows
//! `abi_stable`, but for the derives on the values that cross as they are.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RResult, RSlice, RStr, RString, RVec};
use plugin_api_data::Arch;
use serde::{Serialize, de::DeserializeOwned};

use crate::grad::Kept;
use crate::{Error, Result};

/// A fat pointer to a trait object of the library that made it. Only that library reads it.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Fat([*const (); 2]);

/// Who is named where a call fails: `plugin` and `component`.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Owner {
    plugin: RStr<'static>,
    component: RStr<'static>,
}

impl Owner {
    /// Nobody: failures stay as they are.
    pub const UNNAMED: Owner = Owner {
        plugin: RStr::from_str(""),
        component: RStr::from_str(""),
    };

    /// A component of a plugin.
    pub const fn new(plugin: &'static str, component: &'static str) -> Self {
        Owner {
            plugin: RStr::from_str(plugin),
            component: RStr::from_str(component),
        }
    }

    pub(crate) fn or(self, other: &Owner) -> Owner {
        if self.plugin.is_empty() { *other } else { self }
    }
}

/// What is lent to be looked at: nothing leads from here to the methods that change it.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct Shared<T>(T);

impl<T> Shared<T> {
    pub(crate) fn new(it: T) -> Self {
        Shared(it)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Plain data on its way across, as MessagePack: it may grow without breaking anyone's layout.
#[repr(transparent)]
#[derive(StableAbi, Clone)]
pub struct Packed(RVec<u8>);

impl Packed {
    pub(crate) fn new<T: Serialize + ?Sized>(value: &T) -> Self {
        Packed(
            rmp_serde::to_vec_named(value)
                .expect("plain data can be written")
                .into(),
        )
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        rmp_serde::from_slice(&self.0).map_err(|e| {
            Error::new(format!(
                "the other side of the boundary sent something else: {e}"
            ))
            .into()
        })
    }
}

/// A failure on its way across: an [`Error`].
#[repr(transparent)]
#[derive(StableAbi)]
pub struct Fault(Packed);

impl Fault {
    /// What failed.
    ///
    /// # Errors
    /// Where the other side sent something else.
    pub fn into_error(self) -> Result<Error> {
        self.0.read()
    }
}

/// How a type crosses.
///
/// `Abi` is what stands in the function's signature, `Held` what the called side keeps while it works: a value that is
/// passed on, or that a reference is taken of.
pub trait Cross: Sized {
    /// What crosses.
    type Abi;
    /// What the called side holds.
    type Held;
    /// On the sending side.
    fn out(self) -> Self::Abi;
    /// On the receiving side.
    ///
    /// # Errors
    /// Where the other side sent something else.
    fn hold(abi: Self::Abi) -> Result<Self::Held>;
    /// The same for what `owner` gave: objects without a name fail in its name.
    fn hold_of(abi: Self::Abi, owner: &Owner) -> Result<Self::Held> {
        let _ = owner;
        Self::hold(abi)
    }
}

/// Types that are lent as they are, with whatever they borrow themselves.
macro_rules! lent_as_is {
    ($($ty:ident)::+) => {
        impl<'a, 'b> Cross for &'a $($ty)::+<'b> {
            type Abi = Self;
            type Held = Self;
            fn out(self) -> Self { self }
            fn hold(abi: Self) -> Result<Self> { Ok(abi) }
        }
    };
}
lent_as_is!(crate::Ask);
lent_as_is!(crate::trace::Site);

/// Types that cross as they are, owned and borrowed.
macro_rules! as_is {
    ($($ty:ty),* $(,)?) => {$(
        impl Cross for $ty {
            type Abi = $ty;
            type Held = $ty;
            fn out(self) -> $ty { self }
            fn hold(abi: $ty) -> Result<$ty> { Ok(abi) }
        }
        impl<'a> Cross for &'a $ty {
            type Abi = &'a $ty;
            type Held = &'a $ty;
            fn out(self) -> &'a $ty { self }
            fn hold(abi: &'a $ty) -> Result<&'a $ty> { Ok(abi) }
        }
        impl<'a> Cross for &'a mut $ty {
            type Abi = &'a mut $ty;
            type Held = &'a mut $ty;
            fn out(self) -> &'a mut $ty { self }
            fn hold(abi: &'a mut $ty) -> Result<&'a mut $ty> { Ok(abi) }
        }
        impl Cross for Option<$ty> {
            type Abi = ROption<$ty>;
            type Held = Self;
            fn out(self) -> ROption<$ty> { self.into() }
            fn hold(abi: ROption<$ty>) -> Result<Self> { Ok(abi.into()) }
        }
    )*};
}
as_is!(
    (),
    bool,
    i64,
    u64,
    f64,
    crate::Tensor,
    crate::Tensors,
    crate::Batch,
    crate::Graph,
    crate::Seen,
    crate::On,
    crate::Played,
    crate::Parent,
    crate::Acted,
    crate::Probed,
    crate::Choice,
    crate::Choices,
    plugin_api_data::Named<f64>,
    plugin_api_data::Named<crate::Seen>
);

/// Plain data, owned and borrowed.
macro_rules! packed {
    ($($ty:ty),* $(,)?) => {$(
        impl Cross for $ty {
            type Abi = Packed;
            type Held = Self;
            fn out(self) -> Packed { Packed::new(&self) }
            fn hold(abi: Packed) -> Result<Self> { abi.read() }
        }
        impl Cross for &$ty {
            type Abi = Packed;
            type Held = $ty;
            fn out(self) -> Packed { Packed::new(self) }
            fn hold(abi: Packed) -> Result<$ty> { abi.read() }
        }
    )*};
}
packed!(
    plugin_api_data::Shapes,
    plugin_api_data::WeightSpec,
    Arch,
    plugin_api_data::Point,
    plugin_api_data::Setting,
    plugin_api_data::Report,
    plugin_api_data::Answers,
    plugin_api_data::Recipe,
    plugin_api_data::Params,
    plugin_api_data::PluginCard,
    plugin_api_data::DataFile,
    crate::Ports,
    crate::At,
    crate::Tick,
    crate::AdamStep,
    crate::SgdStep,
    crate::Of,
    crate::Searching,
    crate::Probe,
    crate::role::Draw,
    crate::role::Needs,
    Option<Arch>,
    Option<plugin_api_data::Point>,
    Option<plugin_api_data::Source>,
    Option<Vec<plugin_api_data::Point>>,
    Vec<plugin_api_data::WeightSpec>,
    Vec<plugin_api_data::Decision>,
    Vec<plugin_api_data::Proposal>,
    Vec<plugin_api_data::Observation>,
    Vec<plugin_api_data::Recipe>,
    Vec<plugin_api_data::Cost>,
    crate::Keep,
    crate::Latency,
    Vec<plugin_api_data::Report>,
    Vec<String>,
    Vec<plugin_api_data::Point>,
    Vec<Vec<Option<f64>>>,
    Vec<crate::Probe>,
);

/// Slices of plain data.
macro_rules! packed_slices {
    ($($ty:ty),* $(,)?) => {$(
        impl Cross for &[$ty] {
            type Abi = Packed;
            type Held = Vec<$ty>;
            fn out(self) -> Packed { Packed::new(self) }
            fn hold(abi: Packed) -> Result<Vec<$ty>> { abi.read() }
        }
    )*};
}
packed_slices!(
    plugin_api_data::WeightSpec,
    plugin_api_data::Decision,
    plugin_api_data::Observation,
    plugin_api_data::Recipe,
    crate::Probe,
    plugin_api_data::Point,
    (String, String),
    (String, plugin_api_data::Recipe),
    String,
);

impl<'a> Cross for &'a str {
    type Abi = RStr<'a>;
    type Held = &'a str;
    fn out(self) -> RStr<'a> {
        self.into()
    }
    fn hold(abi: RStr<'a>) -> Result<&'a str> {
        Ok(abi.as_str())
    }
}

/// Slices of what crosses as it is.
macro_rules! slices {
    ($($ty:ty),* $(,)?) => {$(
        impl<'a> Cross for &'a [$ty] {
            type Abi = RSlice<'a, $ty>;
            type Held = &'a [$ty];
            fn out(self) -> RSlice<'a, $ty> { self.into() }
            fn hold(abi: RSlice<'a, $ty>) -> Result<&'a [$ty]> { Ok(abi.as_slice()) }
        }
    )*};
}
slices!(i64, crate::Carry, crate::Tensor);

impl Cross for Vec<crate::Tensor> {
    type Abi = RVec<crate::Tensor>;
    type Held = Self;
    fn out(self) -> RVec<crate::Tensor> {
        self.into()
    }
    fn hold(abi: RVec<crate::Tensor>) -> Result<Self> {
        Ok(abi.into())
    }
}

impl Cross for String {
    type Abi = RString;
    type Held = String;
    fn out(self) -> RString {
        self.into()
    }
    fn hold(abi: RString) -> Result<String> {
        Ok(abi.into())
    }
}

/// What `#[boundary]` traits lend to calls.
pub(crate) mod lent {
    pub(crate) use crate::bench::BenchRef;
    pub(crate) use crate::host::HostRef;
    pub(crate) use crate::pass::PassRef;
    pub(crate) use crate::session::{SessionRef, SinkRef};
}

/// Runs a call on the called side: no panic or C++ exception leaves it, and libtorch's grad mode is as it was.
pub fn guard<T: Cross>(call: impl FnOnce() -> Result<T>) -> RResult<T::Abi, Fault> {
    // Writing the value or the error runs the author's code too.
    let crossed = unharmed(|| match call() {
        Ok(value) => RResult::ROk(value.out()),
        Err(error) => RResult::RErr(Fault(Packed::new(&as_error(error)))),
    });
    crossed.unwrap_or_else(|error| RResult::RErr(Fault(Packed::new(&error))))
}

/// The same within one library.
///
/// # Errors
/// What the call returned, panicked with or threw.
pub fn caught<T>(call: impl FnOnce() -> Result<T>) -> Result<T, Error> {
    unharmed(|| call().map_err(as_error)).and_then(|returned| returned)
}

/// Runs `call`, which may panic or throw.
fn unharmed<T>(call: impl FnOnce() -> T) -> Result<T, Error> {
    let _state = Guarded::enter();
    match catch_unwind(AssertUnwindSafe(|| catch_exception(call))) {
        Ok(returned) => returned,
        Err(payload) => Err(panicked(payload)),
    }
}

unsafe extern "C-unwind" {
    fn pleach_catch(
        call: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
        message: *mut c_char,
        size: usize,
    ) -> c_int;
}

/// Runs `call` inside a C++ function that catches what C++ code below it throws. A panic goes through.
fn catch_exception<T, F: FnOnce() -> T>(call: F) -> Result<T, Error> {
    struct Work<F, T>(Option<F>, Option<T>);

    unsafe extern "C-unwind" fn run<T, F: FnOnce() -> T>(data: *mut c_void) {
        // SAFETY: `data` is the `Work` below, lent for this call.
        let work = unsafe { &mut *data.cast::<Work<F, T>>() };
        work.1 = work.0.take().map(|call| call());
    }

    let mut work: Work<F, T> = Work(Some(call), None);
    let mut message = [0; 512];
    // SAFETY: `run` gets the work that it expects, and `message` has the size that is named.
    let threw = unsafe {
        pleach_catch(
            run::<T, F>,
            (&raw mut work).cast(),
            message.as_mut_ptr(),
            message.len(),
        )
    };
    match work.1 {
        Some(returned) if threw == 0 => Ok(returned),
        _ => {
            // SAFETY: the message ends with a 0 within its size.
            let message = unsafe { CStr::from_ptr(message.as_ptr()) };
            let message = message.to_string_lossy();
            Err(Error::new(format!(
                "threw a C++ exception: {}",
                before_backtrace(&message)
            )))
        }
    }
}

/// On the calling side: what the called one returned, failures named after `owner`.
///
/// # Errors
/// The other side's failure.
pub fn received<T: Cross<Held = T>>(returned: RResult<T::Abi, Fault>, owner: &Owner) -> Result<T> {
    match returned {
        RResult::ROk(abi) => T::hold_of(abi, owner),
        RResult::RErr(fault) => {
            let error = fault.into_error()?;
            let (plugin, component) = (owner.plugin.as_str(), owner.component.as_str());
            Err(if plugin.is_empty() {
                error
            } else {
                error.within(plugin, component)
            }
            .into())
        }
    }
}

/// Hands a failure on from a method that returns no `Result`: the guard around the caller turns it back.
pub fn raise(error: anyhow::Error) -> ! {
    resume_unwind(Box::new(as_error(error)))
}

/// The failure of any call as the one error type; what stands around it becomes its context.
pub fn as_error(error: anyhow::Error) -> Error {
    let contexts: Vec<String> = error
        .chain()
        .take_while(|e| !e.is::<Error>() && !e.is::<tch::TchError>())
        .map(|e| e.to_string())
        .collect();
    let root = error.chain().find_map(|e| {
        match (e.downcast_ref::<Error>(), e.downcast_ref::<tch::TchError>()) {
            (Some(error), _) => Some(error.clone()),
            (_, Some(tch::TchError::Torch(message))) => Some(libtorch(message)),
            (_, Some(other)) => Some(Error::new(other.to_string())),
            _ => None,
        }
    });
    match (contexts.is_empty(), root) {
        (true, Some(root)) => root,
        (false, Some(root)) => Error::new(contexts.join(": ")).caused_by(root),
        (_, None) => Error::new(contexts.join(": ")),
    }
}

#[cold]
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Error {
    let payload = match payload.downcast::<Error>() {
        Ok(raised) => return *raised,
        Err(payload) => payload,
    };
    let text = payload.downcast::<String>().or_else(|payload| {
        let text = payload.downcast::<&str>()?;
        Ok(Box::new(text.to_string()))
    });
    let message = text.map_or_else(
        |payload: Box<dyn std::any::Any + Send>| {
            // Its destructor may panic too.
            std::mem::forget(payload);
            "with something that is no text".into()
        },
        |text| *text,
    );
    let place = PLACE
        .take()
        .map_or_else(String::new, |place| format!(" at {place}"));
    // `tch` panics with its own error in `Debug` form where a call has no `f_` before its name.
    match message.split_once("Torch(\"") {
        Some((_, inner)) => libtorch(
            &inner
                .strip_suffix("\")")
                .unwrap_or(inner)
                .replace("\\n", "\n")
                .replace("\\\"", "\""),
        ),
        None => Error::new(format!("panicked{place}: {message}")),
    }
}

/// An error of libtorch, without its backtrace.
fn libtorch(message: &str) -> Error {
    Error::new(format!("libtorch: {}", before_backtrace(message)))
}

/// What an exception of libtorch says before its backtrace, whose addresses differ from run to run.
fn before_backtrace(message: &str) -> &str {
    let end = ["\nException raised from", "frame #0"]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()
        .unwrap_or(message.len());
    message[..end].trim_end()
}

thread_local! {
    /// How many guards are around the code that runs now.
    static GUARDS: Cell<u32> = const { Cell::new(0) };
    /// Where the last guarded panic happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has a guarded panic remember its place instead of printing it. Each library has a hook of its own.
pub(crate) fn quieten_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match GUARDS.get() {
            0 => print(info),
            // One is still on its way to its guard: this second one ends the process, and nobody else will say why.
            _ if PLACE
                .replace(info.location().map(ToString::to_string))
                .is_some() =>
            {
                print(info)
            }
            _ => {}
        }));
    });
}

/// What a call must leave as it was.
struct Guarded {
    _grad: Kept,
}

impl Guarded {
    fn enter() -> Self {
        GUARDS.set(GUARDS.get() + 1);
        Guarded { _grad: Kept::new() }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        GUARDS.set(GUARDS.get() - 1);
    }
}
