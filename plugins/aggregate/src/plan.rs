//! Which parts can be asked at once: each wave needs only what the waves before it have answered.

use crate::part::Part;
use std::collections::BTreeSet;

/// Positions of parts, wave by wave. Fails with the parts that need each other.
pub(crate) fn waves(parts: &[Part]) -> Result<Vec<Vec<usize>>, String> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut answered: BTreeSet<&str> = BTreeSet::new();
    let mut left: Vec<usize> = (0..parts.len()).collect();
    while !left.is_empty() {
        let is_ready = |position: &usize| {
            parts.get(*position).is_some_and(|part| part.needs().all(|name| answered.contains(name)))
        };
        let (ready, waiting): (Vec<usize>, Vec<usize>) = left.iter().partition(|position| is_ready(position));
        if ready.is_empty() {
            let names =
                waiting.iter().filter_map(|position| parts.get(*position)).map(|part| format!("`{}`", part.name));
            let names: Vec<String> = names.collect();
            return Err(format!("the parts {} need each other", names.join(", ")));
        }
        answered.extend(ready.iter().filter_map(|position| parts.get(*position)).map(|part| part.name.as_str()));
        waves.push(ready);
        left = waiting;
    }
    Ok(waves)
}
