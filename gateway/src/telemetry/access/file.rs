//! Files that a log goes to.

use gateway_config::{LogTarget, Rotation};
use std::io;
use std::path::Path;
use tracing_appender::rolling;

/// The end of a file that rotates.
///
/// # Errors
/// It cannot be opened, or the target is none.
pub(crate) fn appender(target: &LogTarget) -> io::Result<rolling::RollingFileAppender> {
    let LogTarget::File { path, rotation, keep } = target else { return Err(io::Error::other("this is no file")) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let builder = rolling::Builder::new().filename_prefix(name);
    // Who deletes does so when it opens as well, and counts what it is about to go on with: one more, or a restart costs a file.
    let builder = match rotation {
        Rotation::Never => builder.rotation(rolling::Rotation::NEVER),
        Rotation::Daily => builder.rotation(rolling::Rotation::DAILY).max_log_files(keep + 1),
        Rotation::Hourly => builder.rotation(rolling::Rotation::HOURLY).max_log_files(keep + 1),
    };
    builder.build(folder).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    #[test]
    fn a_file_is_gone_on_with_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // As a rotation by somebody else leaves them.
        (1..4).for_each(|number| fs::write(folder.path().join(format!("log.{number}")), "old").unwrap());
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let target = |rotation| LogTarget::File { path: path.clone(), rotation, keep: 1 };
        for _ in 0..2 {
            appender(&target(Rotation::Never)).unwrap().write_all(b"line\n").unwrap();
        }
        assert_eq!((fs::read_to_string(&path).unwrap(), count()), ("line\nline\n".to_owned(), 4));
        // Where it rotates, the old ones go.
        for _ in 0..2 {
            appender(&target(Rotation::Daily)).unwrap().write_all(b"day\n").unwrap();
        }
        let texts = fs::read_dir(folder.path()).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        assert_eq!(texts.collect::<Vec<_>>(), ["day\nday\n"]);
    }
}
