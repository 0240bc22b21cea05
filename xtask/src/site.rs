//! `cargo xtask site`: the documents as pages for a browser (mdBook).
//!
//! The pages are the repository's own: they are laid out as they lie here, so that links between
//! them stay right, with `docs/SUMMARY.md` as the list of chapters. Links to files that are no pages
//! lead to the repository. The charts are drawn from the tables of docs/performance.md.
//!
//! Links are checked twice: in the sources, by a unit test, and in what mdBook has made of them.
//! mdBook is the machine's, or that of the Debian sid that builds for arm64 hosts.

use crate::neutral;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitCode};

/// The list of chapters.
const SUMMARY: &str = "docs/SUMMARY.md";
/// The page with the tables of figures.
const FIGURES: &str = "docs/performance.md";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The command: `[DIR]`.
///
/// # Errors
/// What failed, or links that lead nowhere.
pub(crate) fn main(rest: &[OsString]) -> Result<ExitCode, String> {
    let out = match rest {
        [] => crate::target()?.join("site"),
        [dir] => PathBuf::from(dir),
        _ => return Err("site takes one folder".into()),
    };
    let out = std::path::absolute(&out).map_err(|e| e.to_string())?;
    lay_out(&out)?;
    mdbook(&out)?;
    let broken = check_html(&out.join("book"))?;
    if broken.is_empty() {
        println!("{}", out.join("book/index.html").display());
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("links that lead nowhere:\n{}", broken.join("\n")))
}

/// Writes what mdBook is to read: settings, pages, charts.
fn lay_out(out: &Path) -> Result<(), String> {
    let make = || {
        if out.exists() {
            fs::remove_dir_all(out)?;
        }
        fs::create_dir_all(out.join("src/docs"))
    };
    make().map_err(|e| format!("{}: {e}", out.display()))?;
    let settings = format!(
        "[book]\ntitle = \"anyarch\"\nlanguage = \"en\"\nsrc = \"src\"\n\n\
         [output.html]\ngit-repository-url = \"{REPOSITORY}\"\n"
    );
    write(&out.join("book.toml"), &settings)?;
    // The reader's own fonts; Debian's mdBook has none of its own.
    write(&out.join("src/fonts/fonts.css"), "")?;
    let summary = read(SUMMARY)?;
    write(&out.join("src/SUMMARY.md"), &summary)?;
    let pages = pages(&summary);
    for page in &pages {
        let mut text = with_links(&read(page)?, page, &pages);
        if page == FIGURES {
            text = with_charts(&text, &out.join("src/docs"))?;
        }
        write(&out.join("src").join(page), &text)?;
    }
    Ok(())
}

/// The pages that the list of chapters names.
fn pages(summary: &str) -> BTreeSet<String> {
    links(summary).into_iter().map(|(_, target)| target.to_owned()).collect()
}

fn mdbook(out: &Path) -> Result<(), String> {
    if Command::new("mdbook").arg("--version").output().is_ok_and(|it| it.status.success()) {
        return crate::run(Command::new("mdbook").arg("build").arg(out));
    }
    crate::run(&mut neutral::tool("mdbook", out, &["build"])?)
}

/// The links of a page, outside of its code: where each stands, and where it leads.
fn links(text: &str) -> Vec<(std::ops::Range<usize>, &str)> {
    let mut found = Vec::new();
    let (mut at, mut fenced) = (0, false);
    for line in text.split_inclusive('\n') {
        fenced ^= line.trim_start().starts_with("```");
        let mut code = false;
        let mut rest = line;
        while !fenced && !rest.is_empty() {
            let here = at + line.len() - rest.len();
            if let Some(inner) = rest.strip_prefix("](").filter(|_| !code)
                && let Some(end) = inner.find(')')
            {
                found.push((here + 2..here + 2 + end, &inner[..end]));
                rest = &inner[end..];
                continue;
            }
            code ^= rest.starts_with('`');
            let step = rest.chars().next().map_or(1, char::len_utf8);
            rest = &rest[step..];
        }
        at += line.len();
    }
    found
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// A link's file from the workspace's folder, and its place within; `None` where it leads out.
fn resolve(page: &str, target: &str) -> Option<(String, String)> {
    let (file, place) = target.split_once('#').unwrap_or((target, ""));
    if file.is_empty() {
        return Some((page.into(), place.into()));
    }
    let mut path = PathBuf::new();
    for part in Path::new(page).parent()?.join(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if path.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some((path.to_str()?.into(), place.into()))
}

/// A page whose links to files that are no pages lead to the repository. mdBook calls the page of a
/// README.md index.html, and does not know it in links to a place of it.
fn with_links(text: &str, page: &str, pages: &BTreeSet<String>) -> String {
    let mut new = text.to_owned();
    for (range, target) in links(text).into_iter().rev() {
        if is_elsewhere(target) {
            continue;
        }
        match resolve(page, target) {
            Some((file, _)) if !pages.contains(&file) => {
                new.replace_range(range, &format!("{REPOSITORY}/blob/main/{file}"));
            }
            Some((file, _)) if file.ends_with("README.md") => {
                new.replace_range(range, &target.replace("README.md", "index.md"));
            }
            _ => {}
        }
    }
    new
}

/// The links of pages of HTML that lead to no file, or to no place in one.
fn check_html(book: &Path) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    crate::dist::list(book, &mut files)?;
    files.retain(|f| f.extension().is_some_and(|e| e == "html") && !f.ends_with("print.html"));
    let text = |file: &Path| fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    let mut broken = Vec::new();
    for file in &files {
        // Chapters tell where their resources are; this page does not, since it has any address.
        if file.ends_with("404.html") {
            continue;
        }
        let page = text(file)?;
        for target in attributes(&page, "href").chain(attributes(&page, "src")) {
            if is_elsewhere(target) || target.starts_with("data:") || target.is_empty() {
                continue;
            }
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let to = match path {
                "" => file.clone(),
                _ => file.parent().unwrap_or(book).join(path.split('?').next().unwrap_or(path)),
            };
            let there =
                to.is_file() && (place.is_empty() || attributes(&text(&to)?, "id").any(|id| id == place));
            if !there {
                broken.push(format!("{}: {target}", file.strip_prefix(book).unwrap_or(file).display()));
            }
        }
    }
    if files.len() < 10 {
        return Err(format!("{}: there are only {} pages", book.display(), files.len()));
    }
    Ok(broken)
}

/// The values of an attribute in HTML.
fn attributes<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let mut rest = html;
    std::iter::from_fn(move || {
        let at = rest.find(&begin)? + begin.len();
        let (value, behind) = rest[at..].split_once('"')?;
        rest = behind;
        Some(value)
    })
}

/// A chart's rows: what was done, and how long QEMU and anyarch took, native being 1.
type Row = (String, f64, f64);

/// The figures of each guest, in the order of the page's tables.
fn figures(text: &str) -> Vec<(String, Vec<Row>)> {
    let mut guests: Vec<(String, Vec<Row>)> = Vec::new();
    // Where the columns of the present table are, and whose.
    let mut columns: Vec<(usize, String)> = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.split_whitespace().next().unwrap_or("").to_owned();
        }
        let Some(cells) = line.strip_prefix('|').map(|l| l.split('|').map(str::trim).collect::<Vec<_>>())
        else {
            columns.clear();
            continue;
        };
        if columns.is_empty() {
            let mut name = section.clone();
            for (i, cell) in cells.iter().enumerate() {
                let (guest, what) = cell.split_once(": ").unwrap_or(("", cell));
                if !guest.is_empty() {
                    name = guest.to_owned();
                }
                if what == "QEMU / native" {
                    columns.push((i, name.clone()));
                }
            }
            continue;
        }
        for (at, guest) in &columns {
            let number = |i: usize| cells.get(i).and_then(|cell| cell.parse::<f64>().ok());
            if let (Some(qemu), Some(ours)) = (number(*at), number(at + 1)) {
                let row = (cells[0].to_owned(), qemu, ours);
                match guests.iter_mut().find(|(name, _)| name == guest) {
                    Some((_, rows)) => rows.push(row),
                    None => guests.push((guest.clone(), vec![row])),
                }
            }
        }
    }
    guests
}

/// The page with a chart of each guest in front of the first table.
fn with_charts(text: &str, folder: &Path) -> Result<String, String> {
    let mut shown = String::new();
    for (guest, rows) in figures(text) {
        let name = format!("chart-{guest}.svg");
        write(&folder.join(&name), &chart(&guest, &rows))?;
        shown += &format!("![Times of {guest} programs, native being 1]({name})\n\n");
    }
    let at = text.find("\n| ").ok_or("docs/performance.md has no table")? + 1;
    Ok(format!("{}{shown}{}", &text[..at], &text[at..]))
}

/// Bars on a logarithmic scale from half of the native time to 200 times as much.
fn chart(guest: &str, rows: &[Row]) -> String {
    const LEFT: f64 = 240.0;
    const WIDTH: f64 = 520.0;
    const ROW: f64 = 22.0;
    let place = |ratio: f64| WIDTH * (ratio.clamp(0.5, 200.0) / 0.5).ln() / 400_f64.ln();
    let height = 50.0 + ROW * rows.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{guest}: time of QEMU and anyarch, native being 1</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\" font-weight=\"bold\">{guest}: times as long as native (less is better)</text>\n",
        LEFT + WIDTH + 60.0
    );
    for (i, (colour, name)) in [("#b0b0b0", "QEMU"), ("#2b6cb0", "anyarch")].into_iter().enumerate() {
        let x = LEFT + WIDTH - 150.0 + 80.0 * i as f64;
        svg += &format!(
            "<rect x=\"{x}\" y=\"7\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"16\">{name}</text>\n",
            x + 14.0
        );
    }
    for tick in [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0] {
        let x = LEFT + place(tick);
        svg += &format!(
            "<line x1=\"{x:.1}\" y1=\"38\" x2=\"{x:.1}\" y2=\"{height}\" stroke=\"{}\"/><text x=\"{x:.1}\" y=\"34\" text-anchor=\"middle\">{tick}</text>\n",
            if tick == 1.0 { "#404040" } else { "#e0e0e0" }
        );
    }
    for (i, (what, qemu, ours)) in rows.iter().enumerate() {
        let y = 42.0 + ROW * i as f64;
        let what = what.replace('&', "&amp;").replace('<', "&lt;");
        svg +=
            &format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{what}</text>\n", LEFT - 8.0, y + 12.0);
        for (ratio, colour, y) in [(qemu, "#b0b0b0", y), (ours, "#2b6cb0", y + 9.0)] {
            let width = place(*ratio);
            svg += &format!(
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"8\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9\">{ratio}</text>\n",
                LEFT + width + 4.0,
                y + 7.5
            );
        }
    }
    svg + "</svg>\n"
}

fn read(page: &str) -> Result<String, String> {
    let path = crate::workspace().join(page);
    fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, text)
    };
    write().map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a page: its headings' names, as GitHub and mdBook make them.
    fn places(text: &str) -> BTreeSet<String> {
        let mut fenced = false;
        let heading = |line: &&str| {
            fenced ^= line.starts_with("```");
            !fenced && line.starts_with('#')
        };
        let names = text.lines().filter(heading).map(|line| {
            let plain = line.trim_start_matches('#').trim().to_lowercase();
            plain
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        });
        names.collect()
    }

    /// Links of a page that lead to no file of the repository, or to no heading of a page.
    fn broken(page: &str, text: &str) -> Vec<String> {
        let leads_nowhere = |target: &&str| {
            let Some((file, place)) = resolve(page, target) else { return true };
            let path = crate::workspace().join(&file);
            let there = path.exists()
                && (place.is_empty() || fs::read_to_string(&path).is_ok_and(|t| places(&t).contains(&place)));
            !there
        };
        let targets = links(text).into_iter().map(|(_, target)| target);
        targets.filter(|t| !is_elsewhere(t)).filter(leads_nowhere).map(|t| format!("{page}: {t}")).collect()
    }

    #[test]
    fn every_link_of_the_pages_leads_somewhere() {
        let summary = read(SUMMARY).unwrap();
        let pages = pages(&summary);
        assert!(pages.len() > 10, "{pages:?}");
        let mut all = Vec::new();
        for page in &pages {
            all.extend(broken(page, &read(page).unwrap()));
        }
        assert!(all.is_empty(), "{all:#?}");
        // Every document is a chapter.
        let docs = fs::read_dir(crate::workspace().join("docs")).unwrap();
        for name in docs.map(|e| e.unwrap().file_name().into_string().unwrap()) {
            let page = format!("docs/{name}");
            assert!(page == SUMMARY || pages.contains(&page) || !name.ends_with(".md"), "{page}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let text = "[a](../README.md) [b](no.md) `[c](no)` [d](#here) [e](#there) [f](https://x/)\n\
                    ```\n[g](no)\n```\n[h](../../x) [i](arm.md#no-such-place)\n# Here\n";
        let mut found = broken("docs/arm.md", text);
        found.retain(|line| !line.ends_with("#here"));
        assert_eq!(
            found,
            [
                "docs/arm.md: no.md",
                "docs/arm.md: #there",
                "docs/arm.md: ../../x",
                "docs/arm.md: arm.md#no-such-place"
            ]
        );
    }

    #[test]
    fn links_to_what_is_no_page_lead_to_the_repository() {
        let pages = BTreeSet::from(["docs/a.md".to_owned(), "README.md".to_owned()]);
        let text = "[a](a.md#x) [b](../README.md#y) [c](../xtask/src/site.rs) [d](https://x/)";
        let want = format!(
            "[a](a.md#x) [b](../index.md#y) [c]({REPOSITORY}/blob/main/xtask/src/site.rs) [d](https://x/)"
        );
        assert_eq!(with_links(text, "docs/b.md", &pages), want);
    }

    #[test]
    fn charts_have_the_figures_of_the_tables() {
        let all = figures(&read(FIGURES).unwrap());
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["arm64", "riscv64", "arm"]);
        assert!(all.iter().all(|(_, rows)| rows.len() > 30), "{all:?}");
        let text = "| work | x: QEMU / native | anyarch / native | faster |\n| --- | ---: | ---: | ---: |\n\
                    | a <b> | 10 | 2.5 | **4** |\n| none | | | |\n";
        assert_eq!(figures(text), [("x".to_owned(), vec![("a <b>".to_owned(), 10.0, 2.5)])]);
        let svg = chart("x", &figures(text)[0].1);
        assert!(
            svg.contains(">10</text>") && svg.contains(">2.5</text>") && svg.contains("a &lt;b>"),
            "{svg}"
        );
    }

    #[test]
    fn html_is_read() {
        let html = "<a href=\"x.html#y\">z</a><h2 id=\"y\">Y</h2><img src=\"a.svg\">";
        let all = |name| attributes(html, name).collect::<Vec<_>>();
        assert_eq!((all("href"), all("id"), all("src")), (vec!["x.html#y"], vec!["y"], vec!["a.svg"]));
    }

    /// Every variable that the programs read, and every exit code, is on its page.
    #[test]
    fn variables_and_exit_codes_are_told() {
        // How one emulator hands on what it knows to the next, and names for tests.
        const INTERNAL: [&str; 6] = [
            "ANYARCH_CLOSE",
            "ANYARCH_HANDED",
            "ANYARCH_IMPLIED_EXEC",
            "ANYARCH_LIMITS",
            "ANYARCH_BLESS",
            "QEMU_PRESERVE_ARGV0",
        ];
        let page = read("docs/variables.md").unwrap();
        let mut files = Vec::new();
        for folder in ["crates/anyarch/src", "crates/emu/src"] {
            crate::dist::list(&crate::workspace().join(folder), &mut files).unwrap();
        }
        let mut seen = 0;
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            let text = fs::read_to_string(file).unwrap();
            let code = text.split("mod tests {").next().unwrap_or("");
            for word in code.split('"') {
                let is_name =
                    |w: &str| w.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
                let known =
                    ["ANYARCH_", "QEMU_", "XDG_"].iter().any(|p| word.starts_with(p) && word.len() > p.len());
                if known && is_name(word) && !INTERNAL.contains(&word) {
                    seen += 1;
                    assert!(page.contains(&format!("`{word}`")), "{word} of {}", file.display());
                }
            }
        }
        assert!(seen > 30, "{seen}");
        let codes = read("crates/anyarch/src/failure.rs").unwrap();
        let rows = codes.lines().filter_map(|l| l.trim().strip_prefix('(')?.strip_suffix("\"),"));
        let rows: Vec<_> = rows.filter_map(|l| l.split_once(", \"")).collect();
        assert!(rows.len() > 10, "{rows:?}");
        for (code, meaning) in rows {
            assert!(page.contains(&format!("| {code} | {meaning} |")), "{code} {meaning}");
        }
    }
}
