//! The documentation is true: its links lead somewhere, its configurations load, its commands run, and the book has every page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use gateway_tests::gateway::{Setup, program};
use gateway_tests::{Authority, Upstream};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block: what stands behind its fence, and its text.
struct Block {
    language: String,
    /// The file that it is, where that is not the page's `gateway.toml`.
    file: Option<String>,
    text: String,
}

struct Page {
    path: PathBuf,
    blocks: Vec<Block>,
    links: Vec<String>,
    /// What its headings are linked by.
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut page = Self { path: path.to_owned(), blocks: Vec::new(), links: Vec::new(), anchors: BTreeSet::new() };
        let mut heading: Option<String> = None;
        let mut inside = false;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let info = if let CodeBlockKind::Fenced(info) = kind { info.into_string() } else { String::new() };
                    let mut words = info.split_whitespace().map(str::to_owned);
                    let (language, file) = (words.next().unwrap_or_default(), words.next());
                    page.blocks.push(Block { language, file, text: String::new() });
                    inside = true;
                }
                Event::End(TagEnd::CodeBlock) => inside = false,
                Event::Text(text) if inside => page.blocks.last_mut().unwrap().text.push_str(&text),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => drop(page.anchors.insert(anchor(&heading.take().unwrap()))),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        page
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
    }

    /// What is in the blocks of this language that are no file of their own.
    fn blocks(&self, language: &str) -> impl Iterator<Item = &str> {
        self.blocks
            .iter()
            .filter(move |block| block.language == language && block.file.is_none())
            .map(|block| &*block.text)
    }
}

/// As web sites that show Markdown, and mdBook, make them of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every page of these folders, those of folders in them included.
fn pages(folders: &[&str]) -> Vec<Page> {
    let mut waiting: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut pages = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let skipped = ["target", "node_modules", "build", ".gateway"];
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            waiting.extend(entries.filter(|entry| !skipped.iter().any(|name| entry.ends_with(name))));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(Page::read(&path));
        }
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

fn all_pages() -> Vec<Page> {
    pages(&["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "gateway/docs", "plugins", "plugin-sdk", "examples", "wit"])
}

fn nothing(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in all_pages() {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (path, fragment) =
                link.split_once('#').map_or((&**link, None), |(path, fragment)| (path, Some(fragment)));
            let target = page.path.parent().unwrap().join(path);
            let target = if path.is_empty() { page.path.clone() } else { target };
            let is_there = match fragment {
                Some(fragment) => target.is_file() && Page::read(&target).anchors.contains(fragment),
                None => target.exists(),
            };
            if !is_there {
                broken.push(format!("{}: `{link}` leads nowhere", page.name()));
            }
        }
    }
    nothing(&broken);
}

/// What a section that is shown alone stands in. Names of services that READMEs use are known.
fn completed(section: &str) -> String {
    let mut config = if section.trim_start().starts_with('{') {
        format!(
            "[[route]]\nname = \"shown\"\nmatch = {{ prefix = \"/shown\" }}\nrespond = {{ status = 204 }}\nchain = [{section}]\n"
        )
    } else {
        section.to_owned()
    };
    for (missing, with) in [
        ("[plugins]", "[plugins]\ndirectory = \"plugins.d\"\n"),
        ("[[listener]]", "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n"),
        ("[[route]]", "[[route]]\nname = \"any\"\nmatch = { prefix = \"/\" }\nrespond = { status = 204 }\n"),
    ] {
        if !config.contains(missing) {
            config.push_str(with);
        }
    }
    for upstream in ["orders", "crm", "prices", "idp"] {
        let header = format!("[upstream.{upstream}]");
        if config.contains(&format!("\"{upstream}\"")) && !config.contains(&header) {
            config.push_str(&format!("{header}\nendpoints = [\"http://127.0.0.1:9001\"]\n"));
        }
    }
    config
}

/// The files that pages speak of.
fn furnish(folder: &Path) {
    fs::write(folder.join("keys"), "alice:key").unwrap();
    copy_folder(&root().join("examples/identity"), &folder.join("identity"));
    fs::copy(root().join("examples/bridge/catalog.pb"), folder.join("catalog.pb")).unwrap();
    copy_folder(&root().join("build/plugins"), &folder.join("plugins.d"));
    fs::create_dir(folder.join("tls")).unwrap();
    for name in ["shop", "api", "partners"] {
        let issued = Authority::default().server(&[&format!("{name}.example")]);
        fs::write(folder.join(format!("tls/{name}.pem")), issued.cert).unwrap();
        fs::write(folder.join(format!("tls/{name}.key")), issued.key).unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &to),
            false => drop(fs::copy(&path, to).unwrap()),
        }
    }
}

/// What `gateway check` says against it.
fn refused(config: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    let secrets = [("API_KEYS", "alice:key"), ("CLIENT", "secret"), ("ADMIN_TOKEN", "0123456789abcdef")];
    let users = fs::read_to_string(folder.path().join("identity/users")).unwrap();
    let mut check = Command::new(program());
    check.arg("check").current_dir(folder.path()).envs(secrets).env("USERS", users);
    let output = check.output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_configuration_loads() {
    let mut broken = Vec::new();
    let mut complain = |page: &Page, said: Option<String>| {
        broken.extend(said.map(|said| format!("{}:\n{said}", page.name())));
    };
    // The blocks of a page of the guide are one file.
    for page in pages(&["gateway/docs/guide"]) {
        let whole: String = page.blocks("toml").collect();
        if !whole.is_empty() {
            complain(&page, refused(&completed(&whole)));
        }
    }
    // Those of a README are sections, each for a file that somebody has.
    for page in pages(&["plugins"]) {
        for section in page.blocks("toml") {
            complain(&page, refused(&completed(section)));
        }
    }
    for page in pages(&["gateway/docs/guide", "plugins"]) {
        for Block { language, file, text } in &page.blocks {
            match (&**language, file.as_deref()) {
                ("toml", Some("plugin.toml" | "scenario.toml")) => drop(toml::from_str::<toml::Table>(text).unwrap()),
                ("toml", Some(_)) => complain(&page, refused(&completed(text))),
                ("json", _) => drop(serde_json::from_str::<serde_json::Value>(text).unwrap()),
                _ => {}
            }
        }
    }
    nothing(&broken);
}

/// The commands of a page, run in order beside a gateway that has the page's configuration and this, but for ports and paths.
fn run((name, more): (&str, &str)) -> Vec<String> {
    let page = Page::read(&root().join("gateway/docs/guide").join(name));
    let service = Upstream::ok();
    let other = Upstream::ok();
    let config = completed(&page.blocks("toml").chain([more]).collect::<String>());
    let port = |url: String| url.rsplit(':').next().unwrap().to_owned();
    let (one, two) = (port(service.url()), port(other.url()));
    let here = |text: &str| text.replace(":9001", &format!(":{one}")).replace(":9002", &format!(":{two}"));
    let config = here(&config).replace("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"").replace(":8080\"", ":0\"");
    let setup =
        Setup::default().file("gateway.toml", config).file("new/gateway.toml", "").variable("API_KEYS", "alice:key");
    let setup = ["api-key"].into_iter().fold(setup, Setup::plugin);
    let gateway = setup.start();
    let folder = gateway.path(".");
    fs::copy(folder.join("gateway.toml"), folder.join("new/gateway.toml")).unwrap();
    copy_folder(&folder.join("plugins.d"), &folder.join("new/plugins.d"));
    // curl's own settings: what is refused is a failure, and what never ends is looked at for a moment.
    let curl = format!("fail\nsilent\nshow-error\nmax-time = 2\nunix-socket = {}/admin.sock\n", folder.display());
    fs::write(folder.join(".curlrc"), curl).unwrap();
    let mut failed = Vec::new();
    for line in page.blocks("sh").flat_map(str::lines) {
        let line = here(line).replace("/etc/gateway/", "./").replace("/etc/bash_completion.d/", "./");
        let line = line.replace("/usr/local/share/man/man1", "man1");
        let script = format!("PATH={}:$PATH\n{line}", program().parent().unwrap().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(&folder).env("HOME", &folder).env("API_KEYS", "alice:key");
        let output = shell.output().unwrap();
        // 28: it was looked at for long enough.
        if !matches!(output.status.code(), Some(0 | 28)) {
            failed.push(format!("{name}: `{line}` failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    failed
}

#[test]
fn commands_of_the_guide_work() {
    let upstream = "[upstream.orders]\nendpoints = [\"http://127.0.0.1:9001\", \"http://127.0.0.1:9002\"]\n";
    nothing(&[("admin.md", upstream), ("cache.md", "")].into_iter().flat_map(run).collect::<Vec<_>>());
}

#[test]
fn the_book_has_every_page() {
    let summary = Page::read(&root().join("gateway/docs/SUMMARY.md"));
    let folder = summary.path.parent().unwrap();
    let listed: BTreeSet<_> = summary.links.iter().filter_map(|link| folder.join(link).canonicalize().ok()).collect();
    let missing = pages(&["gateway/docs", "plugins"]).into_iter().filter(|page| page.path != summary.path);
    let missing =
        missing.filter(|page| !listed.contains(&page.path)).map(|page| format!("{} is not in the book", page.name()));
    nothing(&missing.collect::<Vec<_>>());
}
