//! Printing: results to standard output in the format that was asked for, everything else to standard error.

use super::{
    args::{Format, Output},
    error::CliError,
    jsonpath::Template,
    text::clean,
};
use serde::Serialize;
use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// Where remarks go. Shared, because an upload tells its progress from elsewhere.
#[derive(Clone)]
pub(super) struct Remarks(Arc<Mutex<Box<dyn Write + Send>>>);

impl Remarks {
    fn new(to: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    /// Says something.
    pub(super) fn note(&self, text: &str) {
        // Errors hold words of machines that nobody vouches for.
        let lines: Vec<String> = text.lines().map(clean).collect();
        self.write(&format!("billet: {}\n", lines.join("\n")));
    }

    fn write(&self, text: &str) {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell when standard error is closed.
        drop(to.write_all(text.as_bytes()).and_then(|()| to.flush()));
    }
}

/// Where results and remarks go.
pub(super) struct Ui {
    out: Box<dyn Write + Send>,
    remarks: Remarks,
    /// How results are printed.
    pub(super) output: Output,
    /// What is taken out of the JSON, with `-o jsonpath`.
    template: Option<Template>,
    /// Whether a person watches standard error.
    pub(super) live: bool,
    /// Whether results go to a terminal.
    pub(super) screen: bool,
}

/// Something that has a name.
pub(super) trait HasName {
    /// Its name.
    fn name(&self) -> String;
}

impl Ui {
    /// That of this process.
    pub(super) fn terminal(format: impl Into<Format>) -> Self {
        let Format { output, template } = format.into();
        Self {
            out: Box::new(io::stdout()),
            remarks: Remarks::new(Box::new(io::stderr())),
            output,
            template,
            live: io::stderr().is_terminal(),
            screen: io::stdout().is_terminal(),
        }
    }

    /// One that writes elsewhere.
    #[cfg(test)]
    pub(super) fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        format: impl Into<Format>,
    ) -> Self {
        let Format { output, template } = format.into();
        Self { out, remarks: Remarks::new(err), output, template, live: false, screen: false }
    }

    /// Whether results are for people, rather than for programs.
    pub(super) fn is_for_people(&self) -> bool {
        matches!(self.output, Output::Table | Output::Wide)
    }

    /// Prints one object; `page` makes it for people.
    pub(super) fn object<T: Serialize + HasName>(
        &mut self,
        object: &T,
        page: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        match self.output {
            Output::Table | Output::Wide => self.raw(page().as_bytes()),
            Output::Name => self.line(&object.name()),
            Output::Json | Output::Yaml | Output::JsonPath => self.data(object),
        }
    }

    /// Prints objects; `table` makes it for people.
    pub(super) fn list<T: Serialize + HasName>(
        &mut self,
        objects: &[T],
        table: impl FnOnce(bool) -> String,
    ) -> Result<(), CliError> {
        match self.output {
            Output::Table | Output::Wide => {
                let wide = self.output == Output::Wide;
                self.raw(table(wide).as_bytes())
            }
            Output::Name => objects.iter().try_for_each(|object| self.line(&object.name())),
            Output::Json | Output::Yaml => self.data(&objects),
            // As the API answers, and `kubectl` prints.
            Output::JsonPath => self.data(&serde_json::json!({ "items": objects })),
        }
    }

    /// Prints what became of a request: a sentence for people, the object for programs.
    pub(super) fn outcome<T: Serialize + HasName>(
        &mut self,
        object: &T,
        sentence: &str,
    ) -> Result<(), CliError> {
        match self.output {
            Output::Table | Output::Wide => self.line(sentence),
            Output::Name | Output::Json | Output::Yaml | Output::JsonPath => self.object(object, String::new),
        }
    }

    /// Prints what became of a request that has no object to show, for people only.
    pub(super) fn done(&mut self, sentence: &str) -> Result<(), CliError> {
        match self.output {
            Output::Table | Output::Wide => self.line(sentence),
            Output::Json | Output::Yaml | Output::Name | Output::JsonPath => Ok(()),
        }
    }

    /// Prints a line of the result.
    pub(super) fn line(&mut self, text: &str) -> Result<(), CliError> {
        self.raw(format!("{}\n", clean(text)).as_bytes())
    }

    /// Prints something as it is.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(CliError::Print)
    }

    /// Prints data for programs.
    pub(super) fn data<T: Serialize>(&mut self, data: &T) -> Result<(), CliError> {
        let text = match (self.output, &self.template) {
            (Output::Yaml, _) => serde_yaml_ng::to_string(data).map_err(io::Error::other),
            (Output::JsonPath, Some(template)) => {
                serde_json::to_value(data).map(|value| template.print(&value)).map_err(io::Error::other)
            }
            _ => serde_json::to_string_pretty(data).map(|text| text + "\n").map_err(io::Error::other),
        };
        self.raw(text.map_err(CliError::Print)?.as_bytes())
    }

    /// Says something beside the result.
    pub(super) fn note(&mut self, text: &str) {
        self.remarks.note(text);
    }

    /// Says something on a terminal in raw mode, in the middle of what a machine says.
    pub(super) fn aside(&mut self, text: &str) {
        self.remarks.write(&format!("\r\n[billet: {}]\r\n", clean(text)));
    }

    /// The way for remarks, to take elsewhere.
    pub(super) fn remarks(&self) -> Remarks {
        self.remarks.clone()
    }

    /// Asks a question and leaves the cursor behind it.
    pub(super) fn ask(&mut self, question: &str) {
        self.remarks.write(&format!("billet: {question} "));
    }

    /// Tells of an error.
    pub(super) fn complain(&mut self, error: &CliError) {
        if let Some(sentence) = error.sentence() {
            let lines: Vec<_> = sentence.lines().map(clean).collect();
            self.note(&lines.join("\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Remarks;
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_remark_holds_nothing_that_a_terminal_obeys() {
        let written = Written::default();
        Remarks::new(Box::new(written.clone())).note("fan\u{1b}[2J 1\nof 2\u{9b}3");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "billet: fan\u{fffd}[2J 1\nof 2\u{fffd}3\n");
    }
}
