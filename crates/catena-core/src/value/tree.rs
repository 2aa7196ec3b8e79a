//! Lists and objects with references in them: made of values, taken apart into values.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{Form, Stored, Value};

/// Marks what is not plain JSON where a value is stored; see [`Value`]'s serial form.
pub(crate) const MARKER: &str = "$catena";

/// Whether the JSON is of the form that has a meaning of its own.
pub(super) fn is_marked(json: &Json) -> bool {
    json.as_object().is_some_and(is_mark)
}

fn is_mark(map: &Map<String, Json>) -> bool {
    map.len() == 1 && map.contains_key(MARKER)
}

/// What a place in a tree is.
pub(super) enum Node<'a> {
    /// `{"$catena": {"stored": …}}`
    Stored(Stored),
    /// `{"$catena": {"json": …}}`: data that would else be taken for a mark.
    Literal(&'a Json),
    List(&'a Vec<Json>),
    /// Written `{"$catena": {"object": …}}` where it would else be taken for a mark.
    Object(&'a Map<String, Json>),
    Leaf(&'a Json),
}

/// `None` for a mark without a meaning.
pub(super) fn node(json: &Json) -> Option<Node<'_>> {
    match json {
        Json::Array(items) => Some(Node::List(items)),
        Json::Object(fields) if is_mark(fields) => marked(&fields[MARKER]),
        Json::Object(fields) => Some(Node::Object(fields)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Some(Node::Leaf(json)),
    }
}

fn marked(said: &Json) -> Option<Node<'_>> {
    let (form, inner) = said.as_object().filter(|forms| forms.len() == 1)?.iter().next()?;
    match form.as_str() {
        "stored" => Stored::deserialize(inner).ok().map(Node::Stored),
        "json" => Some(Node::Literal(inner)),
        "object" => inner.as_object().map(Node::Object),
        _ => None,
    }
}

fn known(json: &Json) -> Node<'_> {
    node(json).expect("what was read was looked through, and what is made has only these marks")
}

pub(super) fn reference(stored: &Stored) -> Json {
    json!({ MARKER: { "stored": stored } })
}

/// Whether every mark in a tree has a meaning.
pub(super) fn is_valid(json: &Json) -> bool {
    match node(json) {
        None => false,
        Some(Node::List(items)) => items.iter().all(is_valid),
        Some(Node::Object(fields)) => fields.values().all(is_valid),
        Some(Node::Stored(_) | Node::Literal(_) | Node::Leaf(_)) => true,
    }
}

/// Plain JSON as it stands in a tree.
fn escaped(plain: &Json) -> Json {
    match plain {
        Json::Object(fields) if is_mark(fields) => json!({ MARKER: { "json": plain } }),
        Json::Array(items) => items.iter().map(escaped).collect(),
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(key, field)| (key.clone(), escaped(field))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => plain.clone(),
    }
}

/// The JSON of a tree with what it refers to in place of references.
pub(super) fn whole<E>(tree: &Json, read: &mut dyn FnMut(&Stored) -> Result<Value, E>) -> Result<Json, E> {
    match known(tree) {
        Node::Stored(stored) => read(&stored)?.whole(read),
        Node::Literal(json) | Node::Leaf(json) => Ok(json.clone()),
        Node::List(items) => items.iter().map(|item| whole(item, read)).collect(),
        Node::Object(fields) => {
            let fields: Result<_, E> =
                fields.iter().map(|(key, field)| Ok((key.clone(), whole(field, read)?))).collect();
            Ok(Json::Object(fields?))
        }
    }
}

fn collect_references(tree: &Json, found: &mut Vec<Stored>) {
    match known(tree) {
        Node::Stored(stored) => found.push(stored),
        Node::List(items) => items.iter().for_each(|item| collect_references(item, found)),
        Node::Object(fields) => fields.values().for_each(|field| collect_references(field, found)),
        Node::Literal(_) | Node::Leaf(_) => {}
    }
}

/// A part of a tree as a value of its own; a tree only if it has a reference.
fn part(tree: &Json) -> Value {
    let plain: Result<Json, ()> = whole(tree, &mut |_| Err(()));
    plain.map_or_else(|()| Value(Arc::new(Form::Tree(tree.clone()))), Value::from)
}

impl Value {
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<Self> = items.into_iter().collect();
        let is_tree = items.iter().any(Self::has_references);
        let json = Json::Array(items.iter().map(|item| item.within(is_tree)).collect());
        Self(Arc::new(if is_tree { Form::Tree(json) } else { Form::Plain(json) }))
    }

    pub fn object(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let fields: Vec<(String, Self)> = fields.into_iter().collect();
        let is_tree = fields.iter().any(|(_, field)| field.has_references());
        let fields: Map<String, Json> =
            fields.into_iter().map(|(key, field)| (key, field.within(is_tree))).collect();
        Self(Arc::new(match (is_tree, is_mark(&fields)) {
            (false, _) => Form::Plain(Json::Object(fields)),
            (true, false) => Form::Tree(Json::Object(fields)),
            (true, true) => Form::Tree(json!({ MARKER: { "object": fields } })),
        }))
    }

    /// The JSON of the value as a part of another one.
    fn within(&self, is_tree: bool) -> Json {
        match &*self.0 {
            Form::Plain(json) if is_tree => escaped(json),
            Form::Plain(json) | Form::Tree(json) => json.clone(),
        }
    }

    pub fn has_references(&self) -> bool {
        matches!(&*self.0, Form::Tree(_))
    }

    /// The references in it, in order; those in what it refers to are not among them.
    pub fn references(&self) -> Vec<Stored> {
        let mut found = Vec::new();
        if let Form::Tree(tree) = &*self.0 {
            collect_references(tree, &mut found);
        }
        found
    }

    /// A field of an object; nothing of what a reference stands for.
    pub fn get(&self, key: &str) -> Option<Self> {
        match &*self.0 {
            Form::Plain(json) => json.as_object()?.get(key).cloned().map(Self::from),
            Form::Tree(tree) => match known(tree) {
                Node::Object(fields) => fields.get(key).map(part),
                Node::Stored(_) | Node::Literal(_) | Node::List(_) | Node::Leaf(_) => None,
            },
        }
    }

    /// An item of a list.
    pub fn at(&self, index: usize) -> Option<Self> {
        match &*self.0 {
            Form::Plain(json) => json.as_array()?.get(index).cloned().map(Self::from),
            Form::Tree(tree) => tree.as_array()?.get(index).map(part),
        }
    }

    /// How many items a list has.
    pub(crate) fn item_count(&self) -> Option<usize> {
        self.as_json().as_array().map(Vec::len)
    }

    /// The items of a list.
    pub fn items(&self) -> Option<Vec<Self>> {
        match &*self.0 {
            Form::Plain(json) => Some(json.as_array()?.iter().cloned().map(Self::from).collect()),
            Form::Tree(tree) => Some(tree.as_array()?.iter().map(part).collect()),
        }
    }

    /// The fields of an object.
    pub fn fields(&self) -> Option<Vec<(String, Self)>> {
        match &*self.0 {
            Form::Plain(json) => {
                let fields = json.as_object()?.iter();
                Some(fields.map(|(key, field)| (key.clone(), Self::from(field.clone()))).collect())
            }
            Form::Tree(tree) => match known(tree) {
                Node::Object(fields) => {
                    Some(fields.iter().map(|(key, field)| (key.clone(), part(field))).collect())
                }
                Node::Stored(_) | Node::Literal(_) | Node::List(_) | Node::Leaf(_) => None,
            },
        }
    }
}
