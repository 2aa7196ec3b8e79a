//! The preview of a definition: read off its outline.

use std::path::Path;

use catena_core::chain::ChainName;
use catena_core::schedule::Schedule;

use super::code::{Decoded, decode, language_of};
use super::context::Context;
use super::outline::{BlockOutline, StepOutline};
use crate::preview::{CodeLanguage, Preview, PreviewCode, PreviewStep};

impl Context<'_> {
    pub(crate) fn preview(
        &self,
        name: &ChainName,
        schedules: Vec<Schedule>,
        block: &BlockOutline<'_>,
    ) -> Preview {
        Preview {
            name: name.as_str().to_owned(),
            schedules,
            steps: block.steps.iter().map(|step| self.preview_step(step)).collect(),
        }
    }

    fn preview_step(&self, step: &StepOutline<'_>) -> PreviewStep {
        let pause = step.get("run_next_after").and_then(|entry| entry.value.as_duration_ms());
        let depends_on = step.dependencies().iter().filter_map(|node| self.dependency_name(node)).collect();
        PreviewStep {
            name: step.name.clone(),
            kind: step.kind.map_or("orchestrated", |(kind, _)| match kind.name {
                "execution_mode" => "orchestrated",
                "settings" => "task-sync",
                name => name,
            }),
            code: self.code_of(step),
            pause_ms: pause.unwrap_or(0),
            depends_on,
        }
    }

    fn code_of(&self, step: &StepOutline<'_>) -> Option<PreviewCode> {
        let (kind, entry) = step.kind?;
        let text = self.text(&entry.value)?;
        let (language, text) = match kind.name {
            "python" => (CodeLanguage::Python, text),
            "javascript" => (CodeLanguage::JavaScript, text),
            "code" => (self.language_of(step)?, plain(text)),
            "file" => {
                let language = language_of(Path::new(&text))?;
                let path = self.files.folder()?.join(&text);
                let bytes = self.files.read(&path, crate::limits::MAX_FILE_BYTES).ok()?;
                (language, String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => return None,
        };
        Some(PreviewCode { language, text })
    }

    fn language_of(&self, step: &StepOutline<'_>) -> Option<CodeLanguage> {
        let Some(entry) = step.get("language") else { return Some(CodeLanguage::Python) };
        match self.text(&entry.value)?.to_lowercase().as_str() {
            "python" => Some(CodeLanguage::Python),
            "javascript" => Some(CodeLanguage::JavaScript),
            _ => None,
        }
    }
}

/// Source text that may be in Base64, as an API sends it.
fn plain(text: String) -> String {
    match decode(&text) {
        Decoded::Text(decoded) => decoded,
        Decoded::Plain | Decoded::Broken(_) => text,
    }
}
