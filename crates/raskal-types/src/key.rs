//! The text form of a task's name, as Dask users know it.
//!
//! Start at [`format`] and [`parse`]. Keys are never stored per task: they are made from a layer's prefix and a task's
//! coordinates when somebody wants to read one.

/// Writes the key of the task at `coordinates` in the layer named `prefix`.
///
/// A layer of a single task without coordinates is named by its prefix alone.
///
/// ```
/// use raskal_types::key;
/// assert_eq!(key::format("sum-3f2a", &[0, 1]), "('sum-3f2a', 0, 1)");
/// assert_eq!(key::format("total-77", &[]), "total-77");
/// ```
pub fn format(prefix: &str, coordinates: &[u32]) -> String {
    if coordinates.is_empty() {
        return prefix.to_owned();
    }
    let mut text = format!("('{prefix}'");
    for coordinate in coordinates {
        text.push_str(&format!(", {coordinate}"));
    }
    text.push(')');
    text
}

/// Writes a shape or coordinates as Python does.
///
/// ```
/// use raskal_types::key;
/// assert_eq!((key::tuple([3]), key::tuple([2, 3])), ("(3,)".to_owned(), "(2, 3)".to_owned()));
/// ```
pub fn tuple(values: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let parts: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match parts.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", parts.join(", ")),
    }
}

/// Reads a key back into its prefix and coordinates; anything that is not a tuple is a prefix alone.
///
/// ```
/// use raskal_types::key;
/// assert_eq!(key::parse("('sum-3f2a', 0, 1)"), ("sum-3f2a".to_owned(), vec![0, 1]));
/// assert_eq!(key::parse("total-77"), ("total-77".to_owned(), vec![]));
/// ```
pub fn parse(key: &str) -> (String, Vec<u32>) {
    let tuple = || {
        let inner = key.strip_prefix("('")?.strip_suffix(')')?;
        let (prefix, rest) = inner.rsplit_once('\'')?;
        let coordinates = rest
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok())
            .collect::<Option<Vec<u32>>>()?;
        Some((prefix.to_owned(), coordinates))
    };
    tuple().unwrap_or_else(|| (key.to_owned(), Vec::new()))
}

/// What people call a layer: its prefix without the hash at its end.
///
/// ```
/// use raskal_types::key;
/// assert_eq!(key::name("read-csv-1f0a5be04c1a7f3d92e86a1b0c4d8e2f"), "read-csv");
/// assert_eq!(key::name("sum-of-squares"), "sum-of-squares");
/// ```
pub fn name(prefix: &str) -> &str {
    match prefix.rsplit_once('-') {
        Some((name, hash))
            if !name.is_empty() && hash.len() >= 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            name
        }
        _ => prefix,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_reads_back_as_what_it_was_made_from(prefix in "[a-z]+(-[0-9a-f]{8})?", coordinates in prop::collection::vec(any::<u32>(), 0..4)) {
            let key = super::format(&prefix, &coordinates);
            prop_assert_eq!(super::parse(&key), (prefix, coordinates));
        }
    }
}
