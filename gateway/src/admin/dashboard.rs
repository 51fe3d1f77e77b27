//! The page at `/` and what it is made of, in the program itself.

use super::reply::{Reply, of};

/// A file of the page, by its path.
pub(super) fn file(path: &str) -> Option<Reply> {
    let (media, content) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("dashboard/index.html")),
        "/dashboard/style.css" => ("text/css; charset=utf-8", include_str!("dashboard/style.css")),
        "/dashboard/main.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/main.js")),
        "/dashboard/ask.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/ask.js")),
        "/dashboard/charts.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/charts.js")),
        "/dashboard/lists.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/lists.js")),
        "/dashboard/tail.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/tail.js")),
        "/dashboard/uplot.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/vendor/uPlot.iife.min.js")),
        "/dashboard/icon.svg" => ("image/svg+xml", include_str!("dashboard/icon.svg")),
        "/dashboard/uplot.css" => ("text/css; charset=utf-8", include_str!("dashboard/vendor/uPlot.min.css")),
        _ => return None,
    };
    Some(of(media, content))
}
