//! The program's own `tracing` subscriber, as plugins see it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{OnceLock, PoisonError, RwLock};

use plugin_api::boundary::Owner;
use plugin_api::trace::{FieldPair, FieldValue, Site, Tracer, TracerObj};
use tracing_core::field::{FieldSet, Value, ValueSet, display};
use tracing_core::metadata::LevelFilter;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{
    Callsite, Dispatch, Event, Interest, Kind, Level, Metadata, callsite, dispatcher,
    identify_callsite,
};

/// Sends what a plugin traces to whichever subscriber is the caller's.
pub(crate) fn tracer() -> TracerObj {
    TracerObj::new(Box::new(Forward), Owner::UNNAMED)
}

struct Forward;

impl Tracer for Forward {
    fn enabled(&self, site: &Site<'_>) -> bool {
        // What `tracing`'s macros do, cheapest first.
        if level(site) > LevelFilter::current() {
            return false;
        }
        let place = Place::of(site);
        match place.interest.load(Relaxed) {
            NEVER => false,
            ALWAYS => true,
            _ => dispatcher::get_default(|subscriber| subscriber.enabled(place.about())),
        }
    }

    fn event(&self, site: &Site<'_>, fields: &[FieldPair]) {
        let about = Place::of(site).about();
        with_values(about, fields, |values| Event::dispatch(about, values));
    }

    fn open(&self, site: &Site<'_>, fields: &[FieldPair]) -> u64 {
        let about = Place::of(site).about();
        with_values(about, fields, |values| {
            subscriber()
                .new_span(&Attributes::new(about, values))
                .into_u64()
        })
    }

    fn record(&self, span: u64, site: &Site<'_>, fields: &[FieldPair]) {
        let about = Place::of(site).about();
        with_values(about, fields, |values| {
            subscriber().record(&Id::from_u64(span), &Record::new(values))
        });
    }

    fn enter(&self, span: u64) {
        subscriber().enter(&Id::from_u64(span));
    }

    fn exit(&self, span: u64) {
        subscriber().exit(&Id::from_u64(span));
    }

    fn again(&self, span: u64) -> u64 {
        subscriber().clone_span(&Id::from_u64(span)).into_u64()
    }

    fn close(&self, span: u64) -> bool {
        subscriber().try_close(Id::from_u64(span))
    }
}

/// The caller's subscriber. A handle, since inside `get_default` a subscriber would not find itself, and never close
/// the parents of the spans that it closes.
fn subscriber() -> Dispatch {
    dispatcher::get_default(Dispatch::clone)
}

/// A plugin's callsite as one of this program's: subscribers compare and keep callsites by address.
struct Place {
    /// Set right after the place is made: it contains the place's own address.
    about: OnceLock<Metadata<'static>>,
    interest: AtomicU8,
}

const NEVER: u8 = 0;
const SOMETIMES: u8 = 1;
const ALWAYS: u8 = 2;

impl Callsite for Place {
    fn set_interest(&self, interest: Interest) {
        let interest = match (interest.is_never(), interest.is_always()) {
            (true, _) => NEVER,
            (_, true) => ALWAYS,
            _ => SOMETIMES,
        };
        self.interest.store(interest, Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.about.get().expect("set where the place is made")
    }
}

impl Place {
    /// The place of this site, made and leaked where it is new. Plugins are never unloaded, so there are no more of them
    /// than there is code, and an address stays that of one site.
    fn of(site: &Site<'_>) -> &'static Place {
        static PLACES: OnceLock<RwLock<HashMap<usize, &'static Place>>> = OnceLock::new();
        let places = PLACES.get_or_init(RwLock::default);
        if let Some(place) = places
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&site.id)
        {
            return place;
        }
        let mut is_new = false;
        let place: &'static Place = places
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(site.id)
            .or_insert_with(|| {
                is_new = true;
                Place::make(site)
            });
        if is_new {
            // Asks subscribers, which may trace in turn: no lock is held.
            callsite::register(place);
        }
        place
    }

    fn make(site: &Site<'_>) -> &'static Place {
        let place: &'static Place = Box::leak(Box::new(Place {
            about: OnceLock::new(),
            interest: AtomicU8::new(SOMETIMES),
        }));
        let names: Vec<&str> = site.fields.iter().map(|name| leak(name)).collect();
        let about = Metadata::new(
            leak(&site.name),
            leak(&site.target),
            level(site),
            Some(leak(&site.file)).filter(|file| !file.is_empty()),
            Some(site.line).filter(|&line| line > 0),
            None,
            FieldSet::new(Vec::leak(names), identify_callsite!(place)),
            if site.span { Kind::SPAN } else { Kind::EVENT },
        );
        place.about.get_or_init(|| about);
        place
    }

    fn about(&'static self) -> &'static Metadata<'static> {
        self.about.get().expect("set where the place is made")
    }
}

fn leak(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn level(site: &Site<'_>) -> Level {
    match site.level {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

fn with_values<R>(
    about: &Metadata<'_>,
    fields: &[FieldPair],
    f: impl FnOnce(&ValueSet<'_>) -> R,
) -> R {
    let mut values: Vec<Option<Box<dyn Value + '_>>> =
        about.fields().iter().map(|_| None).collect();
    for pair in fields {
        // A plugin that counts its fields wrongly loses them.
        if let Some(place) = values.get_mut(pair.field) {
            *place = Some(value(&pair.value));
        }
    }
    let values: Vec<Option<&dyn Value>> = values.iter().map(Option::as_deref).collect();
    f(&about.fields().value_set_all(&values))
}

fn value(value: &FieldValue) -> Box<dyn Value + '_> {
    match value {
        FieldValue::F64(x) => Box::new(*x),
        FieldValue::I64(x) => Box::new(*x),
        FieldValue::U64(x) => Box::new(*x),
        FieldValue::Bool(x) => Box::new(*x),
        FieldValue::Text(x) => Box::new(x.as_str()),
        // It has been written with `Debug` already: as it is, without quotes around it.
        FieldValue::Debug(x) => Box::new(display(x.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use plugin_api::abi_stable::std_types::{RSlice, RStr};
    use tracing_core::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
    use tracing_subscriber::registry::LookupSpan;
    use tracing_subscriber::{EnvFilter, Registry};

    use super::*;

    /// Writes down what a subscriber is told, a line each.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Recorder {
        fn note(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    #[derive(Default)]
    struct Text(String);

    impl Text {
        fn add(&mut self, field: &Field, kind: &str, value: &dyn Debug) {
            self.0 += &format!(" {field}:{kind}={value:?}");
        }
    }

    impl Visit for Text {
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.add(field, "f64", &value);
        }
        fn record_i64(&mut self, field: &Field, value: i64) {
            self.add(field, "i64", &value);
        }
        fn record_u64(&mut self, field: &Field, value: u64) {
            self.add(field, "u64", &value);
        }
        fn record_bool(&mut self, field: &Field, value: bool) {
            self.add(field, "bool", &value);
        }
        fn record_str(&mut self, field: &Field, value: &str) {
            self.add(field, "str", &value);
        }
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.add(field, "debug", value);
        }
    }

    impl<S: tracing_core::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            let mut text = Text::default();
            attributes.record(&mut text);
            let parent = context
                .span(id)
                .unwrap()
                .parent()
                .map_or("nothing", |parent| parent.name());
            self.note(format!(
                "open {} in {parent}:{}",
                attributes.metadata().name(),
                text.0
            ));
        }
        fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
            let mut text = Text::default();
            values.record(&mut text);
            self.note(format!(
                "record {}:{}",
                context.span(id).unwrap().name(),
                text.0
            ));
        }
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            let mut text = Text::default();
            event.record(&mut text);
            let about = event.metadata();
            let within = context
                .event_span(event)
                .map_or("nothing", |span| span.name());
            let place = format!(
                "{}:{}",
                about.file().unwrap_or("?"),
                about.line().unwrap_or(0)
            );
            self.note(format!(
                "{} {} {place} in {within}:{}",
                about.level(),
                about.target(),
                text.0
            ));
        }
        fn on_enter(&self, id: &Id, context: Context<'_, S>) {
            self.note(format!("enter {}", context.span(id).unwrap().name()));
        }
        fn on_exit(&self, id: &Id, context: Context<'_, S>) {
            self.note(format!("exit {}", context.span(id).unwrap().name()));
        }
        fn on_close(&self, id: Id, context: Context<'_, S>) {
            self.note(format!("close {}", context.span(&id).unwrap().name()));
        }
    }

    /// What a subscriber with this filter saw of what `f` did.
    fn seen(filter: &str, f: impl FnOnce(&TracerObj)) -> Vec<String> {
        let recorder = Recorder::default();
        let subscriber = Registry::default()
            .with(EnvFilter::new(filter))
            .with(recorder.clone());
        tracing::subscriber::with_default(subscriber, || f(&tracer()));
        let lines = recorder.0.lock().unwrap();
        lines.clone()
    }

    const SPAN: Site<'_> = Site {
        id: 1,
        name: RStr::from_str("pass"),
        target: RStr::from_str("alpha"),
        file: RStr::from_str("src/pass.rs"),
        line: 7,
        level: 3,
        span: true,
        fields: RSlice::from_slice(&[RStr::from_str("n"), RStr::from_str("loss")]),
    };
    const EVENT: Site<'_> = Site {
        id: 2,
        name: RStr::from_str("event"),
        span: false,
        fields: RSlice::from_slice(&[
            RStr::from_str("message"),
            RStr::from_str("f"),
            RStr::from_str("i"),
            RStr::from_str("u"),
            RStr::from_str("b"),
            RStr::from_str("s"),
        ]),
        ..SPAN
    };

    fn pair(field: usize, value: FieldValue) -> FieldPair {
        FieldPair { field, value }
    }

    #[test]
    fn spans_nest_in_the_hosts_and_learn_fields_late() {
        let lines = seen("info", |tracer| {
            let trial = tracing::info_span!("trial");
            let within = trial.enter();
            assert!(tracer.enabled(&SPAN));
            let span = tracer.open(&SPAN, &[pair(0, FieldValue::I64(3))]);
            tracer.enter(span);
            tracer.event(&EVENT, &[pair(0, FieldValue::Debug("hello".into()))]);
            tracing::info!(target: "host", "within");
            tracer.record(span, &SPAN, &[pair(1, FieldValue::F64(0.5))]);
            tracer.exit(span);
            let again = tracer.again(span);
            tracer.close(span);
            tracer.enter(again);
            tracer.exit(again);
            tracer.close(again);
            drop(within);
        });
        let host = lines
            .iter()
            .position(|line| line.starts_with("INFO host "))
            .expect("the host's own event");
        assert!(lines[host].contains("in pass:"), "{}", lines[host]);
        let lines: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != host)
            .map(|(_, l)| &**l)
            .collect();
        assert_eq!(
            lines,
            [
                "open trial in nothing:",
                "enter trial",
                "open pass in trial: n:i64=3",
                "enter pass",
                "INFO alpha src/pass.rs:7 in pass: message:debug=hello",
                "record pass: loss:f64=0.5",
                "exit pass",
                "enter pass",
                "exit pass",
                "close pass",
                "exit trial",
                "close trial",
            ]
        );
    }

    #[test]
    fn values_keep_their_types() {
        let lines = seen("info", |tracer| {
            tracer.event(
                &EVENT,
                &[
                    pair(5, FieldValue::Text("t".into())),
                    pair(1, FieldValue::F64(1.5)),
                    pair(2, FieldValue::I64(-2)),
                    pair(3, FieldValue::U64(u64::MAX)),
                    pair(4, FieldValue::Bool(true)),
                    pair(99, FieldValue::Bool(false)),
                ],
            );
        });
        let event = "INFO alpha src/pass.rs:7 in nothing: f:f64=1.5 i:i64=-2 u:u64=18446744073709551615 b:bool=true \
                     s:str=\"t\"";
        assert_eq!(lines, [event]);
    }

    #[test]
    fn filters_match_targets_and_levels() {
        let at = |id, target, level| Site {
            id,
            target: RStr::from_str(target),
            level,
            ..EVENT
        };
        let sites = [
            at(10, "alpha", 4),
            at(11, "alpha::inner", 4),
            at(12, "beta", 4),
            at(13, "beta", 2),
        ];
        let enabled = |filter| {
            let mut enabled = vec![];
            // Twice, since the second time answers from what is kept.
            seen(filter, |tracer| {
                enabled = sites
                    .iter()
                    .chain(&sites)
                    .map(|site| tracer.enabled(site))
                    .collect()
            });
            assert_eq!(enabled[..4], enabled[4..], "{filter}");
            enabled[..4].to_vec()
        };
        assert_eq!(enabled("warn,alpha=debug"), [true, true, false, true]);
        assert_eq!(enabled("alpha::inner=trace"), [false, true, false, false]);
        assert_eq!(enabled("off"), [false; 4]);
        assert_eq!(enabled("debug"), [true; 4]);
    }

    #[test]
    fn one_place_for_each_site() {
        let first = std::ptr::from_ref(Place::of(&SPAN));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(std::ptr::eq(Place::of(&SPAN), Place::of(&SPAN))));
            }
        });
        assert!(std::ptr::eq(first, Place::of(&SPAN)));
        assert!(!std::ptr::eq(first, Place::of(&EVENT)));
    }
}
