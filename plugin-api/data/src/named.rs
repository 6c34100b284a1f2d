//! Ordered names and values: weights, shapes, points, metrics are all this.
//!
//! It crosses the plugin boundary as it is, so it is laid out by `abi_stable`; no other module here knows that crate.

use std::fmt;
use std::ops::Index;

use abi_stable::StableAbi;
use abi_stable::std_types::{RString, RVec};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

#[repr(C)]
#[derive(StableAbi, Clone, PartialEq)]
struct Entry<T> {
    name: RString,
    value: T,
}

/// Values by name, in the order in which they were put.
///
/// A handful of entries is the rule, so names are searched one by one.
#[repr(C)]
#[derive(StableAbi, Clone, PartialEq)]
pub struct Named<T> {
    entries: RVec<Entry<T>>,
}

impl<T> Named<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Named {
            entries: RVec::new(),
        }
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entries
            .iter()
            .find(|e| e.name == name)
            .map(|e| &e.value)
    }

    /// The value of this name, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.entries
            .iter_mut()
            .find(|e| e.name == name)
            .map(|e| &mut e.value)
    }

    /// Whether this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Puts a value: in place of the one of this name, else at the end.
    pub fn put(&mut self, name: impl AsRef<str>, value: T) {
        match self.get_mut(name.as_ref()) {
            Some(old) => *old = value,
            None => self.entries.push(Entry {
                name: name.as_ref().into(),
                value,
            }),
        }
    }

    /// The same with one more value.
    pub fn with(mut self, name: impl AsRef<str>, value: T) -> Self {
        self.put(name, value);
        self
    }

    /// Takes the value of this name out.
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let i = self.entries.iter().position(|e| e.name == name)?;
        Some(self.entries.remove(i).value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &T)> + ExactSizeIterator {
        self.entries.iter().map(|e| (e.name.as_str(), &e.value))
    }

    /// Names and values in order, the values to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut T)> {
        self.entries
            .iter_mut()
            .map(|e| (e.name.as_str(), &mut e.value))
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> {
        self.entries.iter().map(|e| &e.value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The same names with other values.
    pub fn map<U>(&self, mut f: impl FnMut(&str, &T) -> U) -> Named<U> {
        self.iter().map(|(n, v)| (n, f(n, v))).collect()
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: AsRef<str>, T> FromIterator<(N, T)> for Named<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(iter: I) -> Self {
        let mut named = Named::new();
        named.extend(iter);
        named
    }
}

impl<N: AsRef<str>, T> Extend<(N, T)> for Named<T> {
    fn extend<I: IntoIterator<Item = (N, T)>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.put(name, value);
        }
    }
}

/// Owned entries of a [`Named`], in order.
pub struct IntoIter<T>(abi_stable::std_types::vec::IntoIter<Entry<T>>);

impl<T> Iterator for IntoIter<T> {
    type Item = (String, T);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|e| (e.name.into(), e.value))
    }
}

impl<T> IntoIterator for Named<T> {
    type Item = (String, T);
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        IntoIter(self.entries.into_iter())
    }
}

impl<T> Index<&str> for Named<T> {
    type Output = T;

    /// # Panics
    /// Where the name is missing; the message lists the names that are there.
    fn index(&self, name: &str) -> &T {
        self.get(name).unwrap_or_else(|| {
            panic!(
                "nothing is named `{name}`; there are {:?}",
                self.names().collect::<Vec<_>>()
            )
        })
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of names")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut named = Named::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    if named.contains(&name) {
                        return Err(A::Error::custom(format!("`{name}` stands there twice")));
                    }
                    named.put(name, value);
                }
                Ok(named)
            }
        }
        d.deserialize_map(Entries(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_and_refuses_doubles() {
        let named: Named<i32> = serde_json::from_str(r#"{"b": 1, "a": 2}"#).unwrap();
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"b":1,"a":2}"#);
        assert_eq!(named["a"], 2);
        let twice = serde_json::from_str::<Named<i32>>(r#"{"b": 1, "b": 2}"#).unwrap_err();
        assert!(
            twice.to_string().starts_with("`b` stands there twice"),
            "{twice}"
        );
    }
}
