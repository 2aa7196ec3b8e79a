//! What a process is given, with secrets in it: a tree of values and of the names of secrets. This is how it
//! stands in state and journal; the values of the secrets come in when a runner starts an attempt.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::{
    secret::SecretName,
    value::{MARKER, Value},
};

/// A value that may hold secrets.
///
/// Stored as the value where it holds none, else under the marker of what is no plain value:
/// `{"$catena": {"secret": "API_KEY"}}`, `{"$catena": {"text": […]}}`, `list`, `map`. Every node of the tree is
/// marked, so data that looks like a marker is never taken for one.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Plain(Value),
    /// The secret and nothing else.
    Secret(SecretName),
    Text(Vec<GivenPart>),
    List(Vec<Given>),
    Map(Vec<(String, Given)>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenPart {
    Text(String),
    /// A value that stands in the text as [`Value::to_text`] has it; so it can be a reference.
    Value(Value),
    Secret(SecretName),
}

impl GivenPart {
    /// How long it is in the text, about; nobody knows of a secret.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Value(value) => {
                value.references().iter().map(|stored| stored.bytes).fold(0, u64::saturating_add)
            }
            Self::Secret(_) => 0,
        }
    }

    fn to_value(&self) -> Value {
        let (form, inner) = match self {
            Self::Text(text) => ("text", Value::text(text.as_str())),
            Self::Value(value) => ("value", value.clone()),
            Self::Secret(name) => ("secret", Value::text(name.as_str())),
        };
        Value::object([(form.to_owned(), inner)])
    }

    /// With a text as a value.
    pub(crate) fn into_value(self) -> Self {
        match self {
            Self::Text(text) => Self::Value(Value::text(text)),
            Self::Value(_) | Self::Secret(_) => self,
        }
    }
}

impl Given {
    /// The value, if it holds no secret.
    pub fn as_plain(&self) -> Option<&Value> {
        match self {
            Self::Plain(value) => Some(value),
            Self::Secret(_) | Self::Text(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The values in it.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::Plain(value) => vec![value],
            Self::Secret(_) => Vec::new(),
            Self::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    GivenPart::Value(value) => Some(value),
                    GivenPart::Text(_) | GivenPart::Secret(_) => None,
                })
                .collect(),
            Self::List(items) => items.iter().flat_map(Self::values).collect(),
            Self::Map(fields) => fields.iter().flat_map(|(_, given)| given.values()).collect(),
        }
    }

    pub fn values_mut(&mut self) -> Vec<&mut Value> {
        match self {
            Self::Plain(value) => vec![value],
            Self::Secret(_) => Vec::new(),
            Self::Text(parts) => parts
                .iter_mut()
                .filter_map(|part| match part {
                    GivenPart::Value(value) => Some(value),
                    GivenPart::Text(_) | GivenPart::Secret(_) => None,
                })
                .collect(),
            Self::List(items) => items.iter_mut().flat_map(Self::values_mut).collect(),
            Self::Map(fields) => fields.iter_mut().flat_map(|(_, given)| given.values_mut()).collect(),
        }
    }

    /// As an expression reads it: the name of a secret in its stored form, which is data there.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Secret(name) => marked("secret", Value::text(name.as_str())),
            Self::Text(parts) => marked("text", Value::list(parts.iter().map(GivenPart::to_value))),
            Self::List(items) => marked("list", Value::list(items.iter().map(Self::to_value))),
            Self::Map(fields) => {
                let pairs = fields
                    .iter()
                    .map(|(key, given)| Value::list([Value::text(key.as_str()), given.to_value()]));
                marked("map", Value::list(pairs))
            }
        }
    }

    /// As a process sees it, see [`Value::to_text`], with the value of each secret in its place.
    ///
    /// Large values have been filled in before.
    pub fn fill<E>(&self, value_of: &mut dyn FnMut(&SecretName) -> Result<String, E>) -> Result<String, E> {
        match self {
            Self::Plain(value) => Ok(value.to_text()),
            Self::Secret(_) | Self::Text(_) | Self::List(_) | Self::Map(_) => {
                Ok(Value::from(self.fill_json(value_of)?).to_text())
            }
        }
    }

    /// The same as JSON.
    pub fn fill_json<E>(
        &self,
        value_of: &mut dyn FnMut(&SecretName) -> Result<String, E>,
    ) -> Result<Json, E> {
        Ok(match self {
            Self::Plain(value) => value.as_json().clone(),
            Self::Secret(name) => Json::String(value_of(name)?),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        GivenPart::Text(literal) => text.push_str(literal),
                        GivenPart::Value(value) => text.push_str(&value.to_text()),
                        GivenPart::Secret(name) => text.push_str(&value_of(name)?),
                    }
                }
                Json::String(text)
            }
            Self::List(items) => {
                let items: Result<Vec<Json>, E> = items.iter().map(|item| item.fill_json(value_of)).collect();
                Json::Array(items?)
            }
            Self::Map(fields) => {
                let fields: Result<serde_json::Map<String, Json>, E> =
                    fields.iter().map(|(key, value)| Ok((key.clone(), value.fill_json(value_of)?))).collect();
                Json::Object(fields?)
            }
        })
    }
}

fn marked(form: &str, inner: Value) -> Value {
    Value::object([(MARKER.to_owned(), Value::object([(form.to_owned(), inner)]))])
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

/// What stands under the marker.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Secret(SecretName),
    Text(Vec<GivenPart>),
    List(Vec<Given>),
    Map(Vec<(String, Given)>),
}

impl Form {
    /// Whether the JSON under a marker is one of these, rather than a form of [`Value`].
    fn is_in(json: &Json) -> bool {
        let forms = ["secret", "text", "list", "map"];
        json.as_object()
            .is_some_and(|form| form.len() == 1 && forms.iter().any(|key| form.contains_key(*key)))
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self {
            Self::Plain(value) => return value.serialize(serializer),
            Self::Secret(name) => Form::Secret(name.clone()),
            Self::Text(parts) => Form::Text(parts.clone()),
            Self::List(items) => Form::List(items.clone()),
            Self::Map(fields) => Form::Map(fields.clone()),
        };
        serializer.collect_map([(MARKER, form)])
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut json = Json::deserialize(deserializer)?;
        let marked = json.as_object().filter(|map| map.len() == 1).and_then(|map| map.get(MARKER));
        if !marked.is_some_and(Form::is_in) {
            return Value::deserialize(json).map(Self::Plain).map_err(D::Error::custom);
        }
        Ok(match Form::deserialize(json[MARKER].take()).map_err(D::Error::custom)? {
            Form::Secret(name) => Self::Secret(name),
            Form::Text(parts) => Self::Text(parts),
            Form::List(items) => Self::List(items),
            Form::Map(fields) => Self::Map(fields),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> SecretName {
        SecretName::parse(text).unwrap()
    }

    fn check(given: &Given, stored: &Json, filled: &str) {
        assert_eq!(&serde_json::to_value(given).unwrap(), stored);
        assert_eq!(&serde_json::from_value::<Given>(stored.clone()).unwrap(), given);
        let value = given.fill::<()>(&mut |name| Ok(format!("<{name}>")));
        assert_eq!(value.unwrap(), filled);
    }

    #[test]
    fn what_is_given_comes_back_as_it_was_stored_and_is_filled_in() {
        check(&Given::Plain(Value::text("a")), &json!("a"), "a");
        check(&Given::Secret(name("A")), &json!({"$catena": {"secret": "A"}}), "<A>");
        let text = Given::Text(vec![GivenPart::Text("Bearer ".into()), GivenPart::Secret(name("A"))]);
        let stored = json!({"$catena": {"text": [{"text": "Bearer "}, {"secret": "A"}]}});
        check(&text, &stored, "Bearer <A>");
        let map = Given::Map(vec![
            ("n".into(), Given::Plain(Value::from(json!(1)))),
            ("auth".into(), Given::List(vec![Given::Secret(name("A"))])),
        ]);
        let stored = json!({"$catena": {"map": [
            ["n", 1],
            ["auth", {"$catena": {"list": [{"$catena": {"secret": "A"}}]}}],
        ]}});
        check(&map, &stored, r#"{"n":1,"auth":["<A>"]}"#);
    }

    /// A large value is a reference wherever it stands beside a secret, and its text is there when it is filled in.
    #[test]
    fn large_values_beside_secrets_are_references() {
        let (mut blobs, large) = (Vec::new(), Value::text("x".repeat(100_000)));
        let mut given = Given::List(vec![
            Given::Plain(large.clone()),
            Given::Text(vec![GivenPart::Value(large.clone()), GivenPart::Secret(name("A"))]),
            Given::Map(vec![("in".into(), Given::Plain(Value::list([large.clone().keep(&mut blobs)])))]),
        ]);
        for value in given.values_mut() {
            *value = value.clone().keep(&mut blobs);
        }
        let reference = large.clone().keep(&mut blobs);
        let all: Vec<_> = given.values().into_iter().flat_map(Value::references).collect();
        assert_eq!(all, vec![reference.stored().unwrap(); 3]);
        let stored = serde_json::to_value(&given).unwrap();
        assert!(stored.to_string().len() < 1_000);
        assert_eq!(serde_json::from_value::<Given>(stored).unwrap(), given);
        assert_eq!(given.to_value().references(), all, "an undo can read them");
        for value in given.values_mut() {
            *value = Value::from(value.whole(&mut |stored| stored.open(&blobs[0].bytes)).unwrap());
        }
        let text = large.to_text();
        let filled = given.fill::<()>(&mut |name| Ok(format!("<{name}>"))).unwrap();
        assert_eq!(filled, format!(r#"["{text}","{text}<A>",{{"in":["{text}"]}}]"#));
    }

    #[test]
    fn what_an_undo_reads_of_secrets_is_their_stored_form() {
        let text = Given::Text(vec![GivenPart::Text("Bearer ".into()), GivenPart::Secret(name("A"))]);
        let given = Given::Map(vec![("a".into(), Given::List(vec![text, Given::Secret(name("B"))]))]);
        assert_eq!(given.to_value().as_json(), &serde_json::to_value(&given).unwrap());
    }

    #[test]
    fn data_that_looks_like_a_secret_is_data() {
        let look = json!({"$catena": {"secret": "A"}});
        let plain = Given::Plain(Value::from(look.clone()));
        check(&plain, &json!({"$catena": {"json": look}}), r#"{"$catena":{"secret":"A"}}"#);
    }
}
