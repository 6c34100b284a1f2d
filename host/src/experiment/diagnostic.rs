//! Errors of an experiment, shown in rustc's look.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The text of an experiment, and where it came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file; other files are named relative to it.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl Source {
    /// The folder of the file.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// One thing that is wrong with an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Where, in bytes.
    pub span: Range<usize>,
    /// What is wrong.
    pub title: String,
    /// What is said at the place itself.
    pub label: Option<String>,
    /// What else is known: what was found, what was expected.
    pub notes: Vec<String>,
    /// One way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something that is wrong at this place.
    pub fn new(span: Range<usize>, title: impl Into<String>) -> Self {
        Diagnostic {
            span,
            title: title.into(),
            label: None,
            notes: vec![],
            help: None,
        }
    }

    /// Says something at the place itself.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Shows one way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn group<'a>(&'a self, source: &'a Source, path: &'a str) -> Group<'a> {
        let annotation = AnnotationKind::Primary
            .span(self.span.clone())
            .label(self.label.as_deref());
        let snippet = Snippet::source(&source.text)
            .path(path)
            .annotation(annotation);
        let group = Level::ERROR.primary_title(&self.title).element(snippet);
        let notes = self.notes.iter().map(|note| Level::NOTE.message(note));
        let group = group.elements(notes);
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        }
    }
}

/// All that is wrong with an experiment.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The text that was read.
    pub source: Source,
    /// What is wrong with it, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Refused {
    /// The errors as text for a terminal, in colour if wanted.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let path = self.source.path.display().to_string();
        let shown: Vec<String> = self
            .diagnostics
            .iter()
            .map(|d| renderer.render(&[d.group(&self.source, &path)]))
            .collect();
        shown.join("\n\n")
    }
}
