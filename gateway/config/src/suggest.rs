//! "Did you mean": the known name that is nearest to an unknown one.

/// The nearest of the known names, if any is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One in three letters may differ; dashes and underscores are the same.
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let wanted = plain(unknown);
    let allowed = (wanted.chars().count() / 3).max(1);
    let distance = |candidate: &&str| strsim::osa_distance(&wanted, &plain(candidate));
    known
        .into_iter()
        .map(|candidate| (distance(&candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The same as a hint.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(unknown, known).map(|name| format!("did you mean `{name}`?"))
}
