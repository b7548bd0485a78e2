//! Every link from one of the project's pages to another file leads somewhere.
//!
//! It must never reach for the network: links out of the project are the reader's browser's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;

/// Folders whose pages are not the project's.
const FOREIGN: [&str; 3] = [".git", "target", "node_modules"];

/// Reads every Markdown file of the workspace and fails if a relative link is dead.
pub fn check() -> Result<()> {
    let mut pages = Vec::new();
    collect(process::root(), &mut pages)?;
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
        let folder = page.parent().unwrap_or(process::root());
        for link in relative_links(&text) {
            if !folder.join(link).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    if !dead.is_empty() {
        bail!("links that lead nowhere:\n  {}", dead.join("\n  "));
    }
    println!("\nevery link in {} pages leads somewhere", pages.len());
    Ok(())
}

/// The Markdown files in a folder and all below.
fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !FOREIGN.contains(&name.as_ref()) {
            collect(&path, pages)?;
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
    Ok(())
}

/// The files that a page links to as `[words](file#place)`. Code is not a page's words.
fn relative_links(page: &str) -> Vec<&str> {
    let mut links = Vec::new();
    for (number, prose) in page.split("```").enumerate() {
        if number % 2 == 1 {
            continue;
        }
        let outside_code = prose.split('`').step_by(2);
        for rest in outside_code.flat_map(|text| text.split("](").skip(1)) {
            let Some((link, _)) = rest.split_once(')') else { continue };
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') {
                links.push(file);
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::relative_links;

    #[test]
    fn finds_links_in_prose_only() {
        let check = |page: &str, expected: &[&str]| assert_eq!(relative_links(page), expected);
        check("see [a](docs/a.md) and [b](b.md#part)", &["docs/a.md", "b.md"]);
        check("[here](#below) [there](https://example.com/x.md)", &[]);
        check("`[x](y)` is code\n```\n[x](z.md)\n```\n[w](w.md)", &["w.md"]);
        check("[unfinished](", &[]);
    }
}
