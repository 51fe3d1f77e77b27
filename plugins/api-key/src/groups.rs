//! Groups of consumers.

use std::collections::BTreeMap;

/// From the names of each group to the groups of each name, as JSON lists.
pub(crate) fn by_name(groups: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
    let mut lists: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (group, names) in groups {
        for name in names {
            lists.entry(name.clone()).or_default().push(group);
        }
    }
    lists.into_iter().map(|(name, groups)| (name, serde_json::Value::from(groups).to_string())).collect()
}
