//! The registry of error codes: one row per code, which holds its number, its title and its page.
//! A code is never reused, and each row has a page in `docs/errors` and a fixture in `fixtures/chains/broken`.

use crate::problem::Severity;

/// Makes the enum, the table and the lookups from one list, so that no row can be forgotten in one of them.
macro_rules! codes {
    ($($name:ident = $id:literal, $severity:ident, $title:literal;)*) => {
        /// What kind of problem it is. Shown as `C` and four digits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, in order of number.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// The page's heading.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            pub const fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// The page of this code: what happened, why, what to do.
            pub const fn explain(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("../../../docs/errors/", $id, ".md")),)*
                }
            }
        }
    };
}

codes! {
    Syntax = "C0101", Error, "The text is not valid YAML or JSON";
    DuplicateKey = "C0102", Error, "A key stands twice in the same object";
    TooLarge = "C0103", Error, "The definition exceeds a limit";
    Empty = "C0104", Error, "There is nothing in the definition";
    ManyDocuments = "C0105", Error, "The file holds more than one definition";
    NotUtf8 = "C0106", Error, "The file is not UTF-8 text";

    UnknownKey = "C0201", Error, "A key that the language does not have";
    MissingKey = "C0202", Error, "A key that must be there is missing";
    WrongType = "C0203", Error, "A value of another type is expected here";
    KeyLater = "C0204", Warning, "A key this version does not run yet";
    KindLater = "C0205", Warning, "A kind of step this version does not run yet";
    NoKind = "C0206", Error, "A step that does not say what to do";
    ManyKinds = "C0207", Error, "A step of several kinds";
    UnknownKind = "C0208", Error, "A kind of step that the language does not have";
    NotOneOf = "C0209", Error, "A value that is not one of the allowed ones";
    BadDuration = "C0210", Error, "A duration that cannot be read";
    OutOfRange = "C0211", Error, "A number outside its range";
    UnquotedTemplate = "C0212", Error, "A template without quotes, read as an object";
    KeyNotForKind = "C0213", Error, "A key that this kind of step does not have";
    EmptyValue = "C0214", Error, "Something that must not be empty is";
    IdleKey = "C0215", Warning, "A key that does nothing on this kind of step";
    TooManyBranches = "C0216", Error, "More branches are waited for than there are";
    TooLong = "C0217", Error, "A duration that nobody can mean";
    IdleKeyword = "C0218", Warning, "A keyword of JSON Schema that is not checked";
    BadInstant = "C0219", Error, "An instant that cannot be read";
    UndoOfNothing = "C0220", Error, "An undo of a step that has no effect";

    NotAnIdentifier = "C0301", Error, "A name that expressions could not use";
    ReservedName = "C0302", Error, "A name that the language keeps for itself";
    DuplicateId = "C0303", Error, "Two steps with the same id";
    UnknownStep = "C0304", Error, "A step that does not exist";
    JumpOutOfBlock = "C0305", Error, "A jump or a dependency into another block";
    DependencyCycle = "C0306", Error, "Steps that wait for each other";
    JumpInGraph = "C0307", Error, "A jump within a graph";
    BadName = "C0308", Error, "A name that a chain cannot have";
    JoinImpossible = "C0309", Error, "A join that can never be met";
    Unreachable = "C0310", Error, "A step that nothing leads to";
    EndAside = "C0311", Error, "An `end` where the end is already known";
    NoWayOut = "C0312", Warning, "Jumps that lead round and round";

    UnknownName = "C0401", Error, "An expression uses a name that does not exist";
    BadExpression = "C0402", Error, "An expression that cannot be read";
    DataInScript = "C0403", Error, "Data of the chain inside script text";
    DoubleBraces = "C0404", Warning, "Double braces around what would be an expression";
    ProtectedVariable = "C0405", Error, "An environment variable that takes no data";
    NameLater = "C0406", Warning, "A name this version does not fill yet";
    TooEarly = "C0407", Error, "A result that is used before it can exist";
    SecretMisplaced = "C0408", Error, "A secret where it cannot stand";
    MayBeMissing = "C0409", Warning, "A result that may be missing";
    NotInSchema = "C0410", Error, "A path that a value cannot have";

    FileNotFound = "C0501", Error, "A step file that is not there";
    FileUnreadable = "C0502", Error, "A step file that cannot be read";
    UnknownFileType = "C0503", Error, "A step file that says no interpreter";
    FileTooLarge = "C0504", Error, "A step file that is too large";
    BadCron = "C0520", Error, "A cron expression that cannot be read";
    NeverFires = "C0521", Error, "A schedule that never fires";
    UnknownZone = "C0522", Error, "A time zone that does not exist";
    NoSuchDate = "C0523", Error, "A date, day or time that does not exist";
    ScheduleClash = "C0524", Error, "Parts of a schedule that do not go together";
    BadBase64 = "C0560", Error, "Code in Base64 that does not decode";
    BadUrl = "C0580", Error, "A URL that says nobody to ask";
    BadRequest = "C0581", Error, "A part of a request that cannot be sent";

    NotAsExpected = "C0601", Error, "A case that did not come out as expected";
}

impl Code {
    /// Something of the language that this version does not run yet.
    pub fn is_later(self) -> bool {
        matches!(self, Code::KeyLater | Code::KindLater | Code::NameLater)
    }

    /// `C0212`, `c0212` and `212` are one code to someone who types it.
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.trim().trim_start_matches(['C', 'c']);
        let number: u16 = digits.parse().ok()?;
        let id = format!("C{number:04}");
        Code::ALL.iter().copied().find(|code| code.as_str() == id)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The page of a code. See [`Code::explain`].
pub const fn explain(code: Code) -> &'static str {
    code.explain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found_by_their_text() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
        }
        assert_eq!(Code::parse("212"), Some(Code::UnquotedTemplate));
        assert_eq!(Code::parse("C9999"), None);
        assert_eq!(Code::parse("nonsense"), None);
    }
}
