//! A plugin's `tracing` spans and events on their way into the host's subscriber.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use abi_stable::StableAbi;
use abi_stable::std_types::{RSlice, RStr, RString};
use plugin_api_macros::boundary;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Interest, Level, Metadata, Subscriber, dispatcher};

use crate::Result;
use crate::boundary::Cross;

/// A place in a plugin's code from which spans or events come.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct Site<'a> {
    /// Tells places apart: an address in the plugin, which is never unloaded.
    pub id: usize,
    /// Name of the span or event.
    pub name: RStr<'a>,
    /// What filters match.
    pub target: RStr<'a>,
    /// Source file; empty where unknown.
    pub file: RStr<'a>,
    /// Line in it.
    pub line: u32,
    /// 1 for errors to 5 for traces.
    pub level: u8,
    /// Whether it is a span.
    pub span: bool,
    /// Names of its fields.
    pub fields: RSlice<'a, RStr<'a>>,
}

/// A field's value.
#[repr(u8)]
#[derive(StableAbi, Clone, Debug)]
pub enum FieldValue {
    /// A real number.
    F64(f64),
    /// A whole number.
    I64(i64),
    /// A natural number.
    U64(u64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(RString),
    /// Anything else, as `Debug` writes it.
    Debug(RString),
}

/// The value of the field of this number.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct FieldPair {
    /// Which field of the site.
    pub field: usize,
    /// Its value.
    pub value: FieldValue,
}

/// The host's subscriber.
#[boundary(owned)]
pub trait Tracer: Send + Sync {
    /// Whether anyone listens.
    fn enabled(&self, site: &Site<'_>) -> bool;
    /// Something happened.
    fn event(&self, site: &Site<'_>, fields: &[FieldPair]);
    /// A span begins to exist.
    fn open(&self, site: &Site<'_>, fields: &[FieldPair]) -> u64;
    /// A span learns more fields.
    fn record(&self, span: u64, site: &Site<'_>, fields: &[FieldPair]);
    /// A span is entered.
    fn enter(&self, span: u64);
    /// A span is left.
    fn exit(&self, span: u64);
    /// One more handle to a span.
    fn again(&self, span: u64) -> u64;
    /// A handle to a span is gone; whether it was the last.
    fn close(&self, span: u64) -> bool;
}

impl<'a> Cross for &'a [FieldPair] {
    type Abi = RSlice<'a, FieldPair>;
    type Held = &'a [FieldPair];
    fn out(self) -> RSlice<'a, FieldPair> {
        self.into()
    }
    fn hold(abi: RSlice<'a, FieldPair>) -> Result<&'a [FieldPair]> {
        Ok(abi.as_slice())
    }
}

/// Makes `tracer` the subscriber of this library; the first one stays.
pub(crate) fn install(tracer: TracerObj) {
    // In a program that links its plugins the host's own subscriber is there already.
    let _ = dispatcher::set_global_default(Dispatch::new(Bridge(tracer)));
}

struct Bridge(TracerObj);

/// Sites of the open spans: `record` is told the span alone, and a span may go from thread to thread.
static SITES: Mutex<BTreeMap<u64, &'static Metadata<'static>>> = Mutex::new(BTreeMap::new());

fn sites() -> MutexGuard<'static, BTreeMap<u64, &'static Metadata<'static>>> {
    // Each change is one call: a panic elsewhere leaves nothing by halves.
    SITES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_site<R>(metadata: &Metadata<'_>, f: impl FnOnce(&Site<'_>) -> R) -> R {
    let names: Vec<RStr<'_>> = metadata
        .fields()
        .iter()
        .map(|field| field.name().into())
        .collect();
    f(&Site {
        id: std::ptr::from_ref(metadata).addr(),
        name: metadata.name().into(),
        target: metadata.target().into(),
        file: metadata.file().unwrap_or_default().into(),
        line: metadata.line().unwrap_or_default(),
        level: match *metadata.level() {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        },
        span: metadata.is_span(),
        fields: names.as_slice().into(),
    })
}

#[derive(Default)]
struct Fields(Vec<FieldPair>);

impl Fields {
    fn put(&mut self, field: &Field, value: FieldValue) {
        self.0.push(FieldPair {
            field: field.index(),
            value,
        });
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, FieldValue::F64(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, FieldValue::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, FieldValue::U64(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, FieldValue::Bool(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, FieldValue::Text(value.into()));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, FieldValue::Debug(format!("{value:?}").into()));
    }
}

impl Subscriber for Bridge {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // The host's filter may depend on the spans around.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        with_site(metadata, |site| self.0.enabled(site))
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = with_site(attributes.metadata(), |site| self.0.open(site, &fields.0));
        sites().insert(span, attributes.metadata());
        Id::from_u64(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let Some(metadata) = sites().get(&span.into_u64()).copied() else {
            return;
        };
        let mut fields = Fields::default();
        values.record(&mut fields);
        with_site(metadata, |site| {
            self.0.record(span.into_u64(), site, &fields.0)
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        with_site(event.metadata(), |site| self.0.event(site, &fields.0));
    }

    fn enter(&self, span: &Id) {
        self.0.enter(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        self.0.exit(span.into_u64());
    }

    fn clone_span(&self, span: &Id) -> Id {
        Id::from_u64(self.0.again(span.into_u64()))
    }

    fn try_close(&self, span: Id) -> bool {
        let last = self.0.close(span.into_u64());
        if last {
            sites().remove(&span.into_u64());
        }
        last
    }
}
